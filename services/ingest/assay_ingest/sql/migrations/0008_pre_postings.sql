-- What is related stands in one row for the statements of one moment: a batch about one course
-- costs one row instead of one for each of its statements. `assay maintain` fills it again.

drop table ingest.statement_related;

create table ingest.statement_related (
  tenant text not null,
  kind "char" not null,
  term uuid not null,
  stored_ms bigint not null,
  first uuid not null,
  ids uuid[] not null,
  primary key (tenant, kind, term, stored_ms, first)
) partition by range (stored_ms);

create table ingest.statement_related_default partition of ingest.statement_related default;

update ingest.statement set authority = null where authority is not null;

grant select on ingest.statement_related to assay_ingest;
grant select, insert, update, delete on ingest.statement_related to assay_store;
