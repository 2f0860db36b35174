-- What a refused statement needs to be sent again under the same id, and when it was.
alter table ingest.rejected
  add column cluster_id text,
  add column xapi_version text,
  add column resent_at timestamptz,
  add column resent_mended boolean;

create index rejected_waiting
  on ingest.rejected (tenant, topic, topic_id, partition, record_offset, record_index)
  where resent_at is null;

-- `assay rejected resend` takes the mover's road, with the mover's rights.
grant select, update (resent_at, resent_mended) on ingest.rejected to assay_mover;
grant select on ingest.statement_key to assay_mover;
