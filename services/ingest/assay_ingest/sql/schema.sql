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

-- Who may come in, by a key or by a token whose claim `oidc_claim` has the value `oidc_value`. The
-- previous secret works until its time is over. A limit that is null is that of the settings.
create table ingest.api_client (
  name text primary key,
  tenant text not null,
  secret_hash text,
  source text,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  previous_secret_hash text,
  previous_secret_until timestamptz,
  last_used_at timestamptz,
  oidc_issuer text,
  oidc_claim text check (oidc_claim in ('sub', 'azp')),
  oidc_value text,
  requests_per_second_max float8 check (requests_per_second_max > 0),
  statements_per_second_max float8 check (statements_per_second_max > 0),
  statements_per_day_max bigint check (statements_per_day_max > 0),
  constraint api_client_door check (secret_hash is not null or oidc_issuer is not null)
);

create unique index api_client_bound on ingest.api_client (oidc_issuer, oidc_claim, oidc_value)
  where oidc_issuer is not null and revoked_at is null;
create index api_client_tenant on ingest.api_client (tenant, name);

-- Who changed which client when. Rows are only ever added.
create table ingest.client_audit (
  tenant text not null,
  entry bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  actor text not null,
  action text not null check (action in ('add', 'rotate', 'revoke')),
  client text not null,
  detail jsonb not null,
  primary key (tenant, entry)
);

-- What each client did on each day (UTC), added up by the processes in the background.
create table ingest.client_usage (
  tenant text not null,
  client text not null,
  day date not null,
  requests bigint not null,
  statements bigint not null,
  primary key (tenant, client, day)
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
  -- The term of `records.authority_term`; null only before `assay maintain` has indexed a row.
  authority uuid,
  primary key (tenant, stored_ms, id)
) partition by range (stored_ms);

create index statement_verb on ingest.statement (tenant, verb, stored_ms, id);
-- With the verb, as what is asked of an activity is mostly that, and rows of other verbs are many.
create index statement_activity on ingest.statement (tenant, activity, stored_ms, id)
  include (verb) where activity is not null;
create index statement_registration on ingest.statement (tenant, registration, stored_ms, id)
  where registration is not null;
create index statement_authority on ingest.statement (tenant, authority, stored_ms, id)
  where authority is not null;
create index statement_unindexed on ingest.statement (tenant, stored_ms, id)
  where authority is null;

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

-- What `related_agents` ('a') and `related_activities` ('c') find beyond the direct filters.
-- Authorities are a column of the statement: nearly every statement of a client has the same one.
-- One row stands for statements of one moment, as those of a batch tell of the same course; `first`
-- only tells rows apart.
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

-- Statements whose object is a StatementRef, voiding ones too.
create table ingest.statement_ref (
  tenant text not null,
  referrer uuid not null,
  target uuid not null,
  primary key (tenant, referrer)
);

create index statement_ref_target on ingest.statement_ref (tenant, target, referrer);

-- For a referring statement the terms of each statement (`via`) that it leads to: verb 'v', agent
-- 'a', related agent 'r', activity 'o', related activity 'c', registration 'g'. Derived, and
-- derived anew whenever one of them arrives or is replaced.
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

-- Which contents statements hold as attachments.
create table ingest.statement_attachment (
  tenant text not null,
  sha2 text not null,
  stored_ms bigint not null,
  id uuid not null,
  primary key (tenant, sha2, stored_ms, id)
);

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

-- Activities that some statement has defined; `definition` is what `definitions.merged` makes of
-- the table below. Type json, because jsonb changes how numbers are written.
create table ingest.activity (
  tenant text not null,
  activity uuid not null,
  iri text not null,
  definition json not null,
  primary key (tenant, activity)
);

-- Every definition that was stated of an activity; `stored_ms` lies in the last minute in which it
-- was, and names with `id` the first statement of that minute that did.
create table ingest.activity_definition (
  tenant text not null,
  activity uuid not null,
  hash uuid not null,
  stored_ms bigint not null,
  id uuid not null,
  definition json not null,
  primary key (tenant, activity, hash)
);

-- Names under which agents were seen, each with the first statement that used it.
create table ingest.agent_name (
  tenant text not null,
  agent uuid not null,
  name_hash uuid not null,
  name text not null,
  stored_ms bigint not null,
  id uuid not null,
  primary key (tenant, agent, name_hash)
);

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
-- Cluster and version are what sending it again needs; `resent_mended`: whether with other bytes.
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
  cluster_id text,
  xapi_version text,
  resent_at timestamptz,
  resent_mended boolean,
  primary key (tenant, topic, topic_id, partition, record_offset, record_index)
);

create index rejected_at on ingest.rejected (tenant, at);
create index rejected_waiting
  on ingest.rejected (tenant, topic, topic_id, partition, record_offset, record_index)
  where resent_at is null;

-- Documents of tools: State, Agent Profile, Activity Profile. They are no evidence, so they are not
-- in the log. `place` is the first 16 bytes of the SHA-256 of what they are about (kind, activity,
-- agent), `document` those of registration and name. `mergeable`: a JSON object whose top-level
-- keys `merged_document` can replace.
create table ingest.document (
  tenant text not null,
  place uuid not null,
  document uuid not null,
  kind text not null,
  activity text,
  agent text,
  registration uuid,
  name text not null,
  content_type text not null,
  body bytea not null,
  mergeable boolean not null,
  updated_at timestamptz not null,
  primary key (tenant, place, document)
);

-- The JSON object `old` with the top-level members of `new` put over it: those of `old` keep their
-- places, the others follow. The type json, unlike jsonb, keeps the text of every value, and with
-- it the digits of numbers.
create function ingest.merged_document(old bytea, new bytea) returns bytea
language sql stable strict parallel safe
return (
  select convert_to(
    '{' || coalesce(
      string_agg(
        to_json(coalesce(o.name, n.name))::text || ':' || coalesce(n.value, o.value)::text,
        ',' order by o.place nulls last, n.place
      ),
      ''
    ) || '}',
    'UTF8'
  )
  from json_each(convert_from(old, 'UTF8')::json) with ordinality as o (name, value, place)
  full join json_each(convert_from(new, 'UTF8')::json) with ordinality as n (name, value, place)
    on o.name collate "C" = n.name collate "C"
);

-- Where statements are forwarded to. Only the owner role writes what stands before `failures`.
create table ingest.forward_target (
  tenant text not null references ingest.tenant (tenant),
  target text not null,
  kind text not null check (kind in ('lrs', 'webhook')),
  url text not null,
  api_user text,
  own_source text,
  sources text[] not null default '{}',
  verbs text[] not null default '{}',
  activity_prefixes text[] not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  failures int not null default 0,
  next_at timestamptz not null default now(),
  lease_until timestamptz,
  last_error text,
  last_success_at timestamptz,
  primary key (tenant, target)
);

-- What waits for a target; the statements themselves are read from the store when they are sent.
-- Partition and offset say from when on the store must have it, `stored_ms` in which order they go.
create table ingest.forward_waiting (
  tenant text not null,
  target text not null,
  id uuid not null,
  partition int not null,
  record_offset bigint not null,
  stored_ms bigint not null,
  entry bigint generated always as identity,
  queued_at timestamptz not null default now(),
  tries int not null default 0,
  primary key (tenant, target, id),
  foreign key (tenant, target) references ingest.forward_target (tenant, target) on delete cascade
);

create index forward_waiting_order
  on ingest.forward_waiting (tenant, target, stored_ms, entry);

-- What a target refused, or did not take in all tries, and why.
create table ingest.forward_dead (
  tenant text not null,
  target text not null,
  id uuid not null,
  reason text not null,
  tries int not null,
  at timestamptz not null default clock_timestamp(),
  primary key (tenant, target, id),
  foreign key (tenant, target) references ingest.forward_target (tenant, target) on delete cascade
);

grant usage on schema ingest to assay_ingest, assay_store, assay_mover, assay_forward;

grant select on
  ingest.source, ingest.api_client, ingest.applied, ingest.statement_key, ingest.statement,
  ingest.statement_agent, ingest.void
  to assay_ingest;
grant select on
  ingest.statement_related, ingest.statement_ref, ingest.statement_via,
  ingest.statement_attachment, ingest.activity, ingest.agent_name
  to assay_ingest;

grant select, insert, update, delete on ingest.document to assay_ingest;

grant select, insert, update on ingest.attachment to assay_ingest;
grant select on ingest.signing_key to assay_ingest;

grant insert, update (
  secret_hash, previous_secret_hash, previous_secret_until, last_used_at, revoked_at
) on ingest.api_client to assay_ingest;
grant insert on ingest.client_audit to assay_ingest;
grant select, insert, update on ingest.client_usage to assay_ingest;

grant select, insert, update on ingest.applied to assay_store;
grant select, insert on ingest.quarantine to assay_store;
grant select, insert, update on ingest.statement_key to assay_store;
grant select, insert, delete on ingest.statement, ingest.statement_agent to assay_store;
grant select, insert, update, delete on ingest.void, ingest.conflict to assay_store;
grant select, insert, delete on
  ingest.statement_ref, ingest.statement_via, ingest.statement_attachment
  to assay_store;
grant select, insert, update, delete on ingest.statement_related to assay_store;
grant select, insert, update on ingest.activity to assay_store;
grant select, insert, update, delete on ingest.activity_definition, ingest.agent_name
  to assay_store;

grant select on ingest.source to assay_mover;
grant select, insert, update (resent_at, resent_mended) on ingest.rejected to assay_mover;
grant select on ingest.statement_key to assay_mover;

grant select, insert, update, delete on ingest.applied to assay_forward;
grant select, insert on ingest.quarantine to assay_forward;
grant select on ingest.statement, ingest.statement_key to assay_forward;
grant select, update (failures, next_at, lease_until, last_error, last_success_at)
  on ingest.forward_target to assay_forward;
grant select, insert, update (tries), delete on ingest.forward_waiting to assay_forward;
grant select, insert, update on ingest.forward_dead to assay_forward;
