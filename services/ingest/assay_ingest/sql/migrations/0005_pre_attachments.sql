-- Contents of attachments that requests announced, each with the last time one did. The contents
-- themselves stand in the store of attachments; `assay maintain` takes away what no statement holds.
create table ingest.attachment (
  tenant text not null,
  sha2 text not null,
  touched_at timestamptz not null,
  primary key (tenant, sha2)
);

-- Public keys by which signatures of statements are those of an agent. Rows are never deleted: a
-- revoked key stays known as such.
create table ingest.signing_key (
  tenant text not null references ingest.tenant (tenant),
  key_id text not null,
  thumbprint text not null,
  public_key text not null,
  agent text not null,
  valid_from timestamptz not null,
  valid_to timestamptz,
  created_at timestamptz not null default now(),
  created_by text not null,
  revoked_at timestamptz,
  revoked_by text,
  primary key (tenant, key_id),
  unique (tenant, thumbprint)
);

create index signing_key_agent on ingest.signing_key (tenant, agent);

grant select, insert, update on ingest.attachment to assay_ingest;
grant select on ingest.signing_key to assay_ingest;
