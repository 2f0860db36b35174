-- What the complete search of statements and the resources Agents and Activities read. Statements
-- that are there already get their rows by `assay maintain`: those without an authority are found
-- by an index that is empty otherwise.

alter table ingest.statement add column authority uuid;

create index statement_authority on ingest.statement (tenant, authority, stored_ms, id)
  where authority is not null;
create index statement_unindexed on ingest.statement (tenant, stored_ms, id)
  where authority is null;

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

create table ingest.statement_ref (
  tenant text not null,
  referrer uuid not null,
  target uuid not null,
  primary key (tenant, referrer)
);

create index statement_ref_target on ingest.statement_ref (tenant, target, referrer);

create table ingest.statement_via (
  tenant text not null,
  kind "char" not null,
  term uuid not null,
  stored_ms bigint not null,
  id uuid not null,
  via_stored_ms bigint not null,
  via uuid not null,
  primary key (tenant, kind, term, stored_ms, id, via)
) partition by range (stored_ms);

create index statement_via_id on ingest.statement_via (tenant, id);

create table ingest.statement_via_default partition of ingest.statement_via default;

create table ingest.statement_attachment (
  tenant text not null,
  sha2 text not null,
  stored_ms bigint not null,
  id uuid not null,
  primary key (tenant, sha2, stored_ms, id)
);

create table ingest.activity (
  tenant text not null,
  activity uuid not null,
  iri text not null,
  definition json not null,
  primary key (tenant, activity)
);

create table ingest.activity_definition (
  tenant text not null,
  activity uuid not null,
  hash uuid not null,
  stored_ms bigint not null,
  id uuid not null,
  definition json not null,
  primary key (tenant, activity, hash)
);

create table ingest.agent_name (
  tenant text not null,
  agent uuid not null,
  name_hash uuid not null,
  name text not null,
  stored_ms bigint not null,
  id uuid not null,
  primary key (tenant, agent, name_hash)
);

-- Every void is a reference, and which ones there are is known.
insert into ingest.statement_ref (tenant, referrer, target)
select v.tenant, v.voiding, v.target from ingest.void as v
on conflict do nothing;

grant select on
  ingest.statement_related, ingest.statement_ref, ingest.statement_via,
  ingest.statement_attachment, ingest.activity, ingest.agent_name
  to assay_ingest;

grant select, insert, update, delete on ingest.statement_related to assay_store;
grant select, insert, delete on
  ingest.statement_ref, ingest.statement_via,
  ingest.statement_attachment
  to assay_store;
grant select, insert, update on ingest.activity to assay_store;
grant select, insert, update, delete on ingest.activity_definition, ingest.agent_name
  to assay_store;
