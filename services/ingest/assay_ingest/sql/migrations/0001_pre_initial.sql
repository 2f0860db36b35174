-- The schema of the ingest service: processes `ingest`, `store` and `mover`.
-- Every table that holds a tenant's rows has the tenant in each key, so that rows can be
-- distributed by it.

create schema ingest;

create table ingest.tenant (
  tenant text primary key,
  created_at timestamptz not null default now()
);

-- Where statements come from. What a source may do is decided here, never by a statement.
create table ingest.source (
  tenant text not null references ingest.tenant (tenant),
  source text not null,
  modality text,
  authority jsonb,
  vouches_for_assessors boolean not null default false,
  learner_controlled boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (tenant, source)
);

create table ingest.api_client (
  name text primary key,
  tenant text not null,
  secret_hash text not null,
  source text,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);

create table ingest.applied (
  projection text not null,
  topic text not null,
  partition int not null,
  cluster_id text not null,
  topic_id text not null,
  next_offset bigint not null,
  stored_ms bigint not null,
  applied_at timestamptz not null default now(),
  primary key (projection, topic, partition)
);

create table ingest.quarantine (
  projection text not null,
  topic text not null,
  partition int not null,
  record_offset bigint not null,
  append_ms bigint not null,
  reason text not null,
  headers bytea[] not null,
  key bytea,
  value bytea,
  at timestamptz not null default now(),
  primary key (projection, topic, partition, record_offset)
);

-- One row per statement identity: which copy is the first, and where its row stands.
create table ingest.statement_key (
  tenant text not null,
  id uuid not null,
  append_ms bigint not null,
  partition int not null,
  record_offset bigint not null,
  record_index int not null,
  stored_ms bigint not null,
  body_hash bytea not null,
  source text not null,
  voids uuid,
  primary key (tenant, id)
) partition by hash (tenant, id);

create table ingest.statement_key_0 partition of ingest.statement_key
  for values with (modulus 8, remainder 0);
create table ingest.statement_key_1 partition of ingest.statement_key
  for values with (modulus 8, remainder 1);
create table ingest.statement_key_2 partition of ingest.statement_key
  for values with (modulus 8, remainder 2);
create table ingest.statement_key_3 partition of ingest.statement_key
  for values with (modulus 8, remainder 3);
create table ingest.statement_key_4 partition of ingest.statement_key
  for values with (modulus 8, remainder 4);
create table ingest.statement_key_5 partition of ingest.statement_key
  for values with (modulus 8, remainder 5);
create table ingest.statement_key_6 partition of ingest.statement_key
  for values with (modulus 8, remainder 6);
create table ingest.statement_key_7 partition of ingest.statement_key
  for values with (modulus 8, remainder 7);

-- The statements themselves, by month. `raw` is the completed statement as it stands in the log.
-- Terms are the first 16 bytes of the SHA-256 of an IRI or an agent key: an IRI may be longer than
-- an index entry. The default partition takes what no month was made for, so that nothing is
-- refused; `assay maintain` moves it to its month.
create table ingest.statement (
  tenant text not null,
  stored_ms bigint not null,
  id uuid not null,
  source text not null,
  client text not null,
  version text not null,
  verb uuid not null,
  actor uuid,
  activity uuid,
  registration uuid,
  timestamp timestamptz,
  voids uuid,
  raw bytea not null,
  primary key (tenant, stored_ms, id)
) partition by range (stored_ms);

create index statement_verb on ingest.statement (tenant, verb, stored_ms, id);
create index statement_activity on ingest.statement (tenant, activity, stored_ms, id)
  where activity is not null;
create index statement_registration on ingest.statement (tenant, registration, stored_ms, id)
  where registration is not null;

create table ingest.statement_default partition of ingest.statement default;

-- Whom a statement is about: actor, an agent as object, and the members of either group.
create table ingest.statement_agent (
  tenant text not null,
  agent uuid not null,
  stored_ms bigint not null,
  id uuid not null,
  primary key (tenant, agent, stored_ms, id)
) partition by range (stored_ms);

create table ingest.statement_agent_default partition of ingest.statement_agent default;

-- What voiding statements say. `counts` and `reason` are derived from the target's first copy, and
-- derived anew whenever that changes.
create table ingest.void (
  tenant text not null,
  target uuid not null,
  voiding uuid not null,
  stored_ms bigint not null,
  source text not null,
  may_void boolean not null,
  learner_controlled boolean not null,
  counts boolean not null,
  reason text,
  primary key (tenant, target, voiding)
);

-- Copies that lost: same identity as the first, but another content. One row per content.
create table ingest.conflict (
  tenant text not null,
  id uuid not null,
  body_hash bytea not null,
  append_ms bigint not null,
  partition int not null,
  record_offset bigint not null,
  record_index int not null,
  stored_ms bigint not null,
  source text not null,
  client text not null,
  raw bytea not null,
  at timestamptz not null default now(),
  primary key (tenant, id, body_hash)
);

create index conflict_at on ingest.conflict (tenant, at);

-- What an input topic held and the rules refused. `record_index` is -1 for a whole record.
create table ingest.rejected (
  tenant text not null,
  source text not null,
  topic text not null,
  topic_id text not null,
  partition int not null,
  record_offset bigint not null,
  record_index int not null,
  statement_id uuid,
  reason text not null,
  detail jsonb not null,
  body bytea,
  at timestamptz not null default now(),
  primary key (tenant, topic, topic_id, partition, record_offset, record_index)
);

create index rejected_at on ingest.rejected (tenant, at);

grant usage on schema ingest to assay_ingest, assay_store, assay_mover;

grant select on
  ingest.source, ingest.api_client, ingest.applied, ingest.statement_key, ingest.statement,
  ingest.statement_agent, ingest.void
  to assay_ingest;

grant select, insert, update on ingest.applied to assay_store;
grant select, insert on ingest.quarantine to assay_store;
grant select, insert, update on ingest.statement_key to assay_store;
grant select, insert, delete on ingest.statement, ingest.statement_agent to assay_store;
grant select, insert, update, delete on ingest.void, ingest.conflict to assay_store;

grant select on ingest.source to assay_mover;
grant insert on ingest.rejected to assay_mover;
