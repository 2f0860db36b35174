-- The schema of the aggregator. It is the truth; the migrations must add up to it.
--
-- Every key begins with the tenant, which is also the distribution key. Times ending in _ms are
-- milliseconds of the log's own time (append times), never of a server's clock; columns *_at are
-- the database's clock and are for people only: nothing is decided from them.

create schema if not exists aggregator;

-- What every consuming service has ---------------------------------------------------------------

create table aggregator.applied (
  projection text,
  topic text,
  partition int,
  cluster_id text not null,
  topic_id text not null,
  next_offset bigint not null,
  stored_ms bigint not null,
  applied_at timestamptz not null default now(),
  primary key (projection, topic, partition)
);

create table aggregator.quarantine (
  projection text,
  topic text,
  partition int,
  record_offset bigint,
  append_ms bigint not null,
  reason text not null,
  headers bytea[] not null,
  key bytea,
  value bytea,
  at timestamptz not null default now(),
  primary key (projection, topic, partition, record_offset)
);

create table aggregator.outbox (
  id bigint generated always as identity primary key,
  topic text not null,
  key bytea not null,
  value bytea not null,
  created_at timestamptz not null default now()
);

-- Who may come in, by a key or by a token whose claim `oidc_claim` has the value `oidc_value`. The
-- previous secret works until its time is over. A limit that is null is that of the settings.
create table aggregator.api_client (
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

create unique index api_client_bound on aggregator.api_client (oidc_issuer, oidc_claim, oidc_value)
  where oidc_issuer is not null and revoked_at is null;
create index api_client_tenant on aggregator.api_client (tenant, name);

-- Records: people, links, authority, rules. Append-only; a correction retracts and adds. ----------

create table aggregator.person (
  tenant text,
  person uuid,
  created_at timestamptz not null default now(),
  primary key (tenant, person)
);

-- An automatic link is made when an agent is first seen: it is always known, and holds on the days
-- that no other link of the agent covers. `agent` is the hash of `agent_key`.
create table aggregator.identity_link (
  tenant text,
  link uuid,
  agent uuid not null,
  agent_key text not null,
  person uuid not null,
  automatic boolean not null,
  valid_from date,
  valid_to date,
  recorded_ms bigint,
  retracted_ms bigint,
  created_at timestamptz not null default now(),
  primary key (tenant, link),
  check (automatic = (recorded_ms is null)),
  check (not automatic or (valid_from is null and valid_to is null and retracted_ms is null)),
  check (valid_from <= valid_to),
  check (retracted_ms >= recorded_ms)
);
create unique index identity_link_automatic on aggregator.identity_link (tenant, agent)
  where automatic;
create index identity_link_agent on aggregator.identity_link (tenant, agent);
create index identity_link_person on aggregator.identity_link (tenant, person);

create table aggregator.assessor_authorisation (
  tenant text,
  authorisation uuid,
  assessor uuid not null,
  scope text not null,
  valid_from date,
  valid_to date,
  recorded_ms bigint not null,
  retracted_ms bigint,
  created_at timestamptz not null default now(),
  primary key (tenant, authorisation),
  check (valid_from <= valid_to),
  check (retracted_ms >= recorded_ms)
);
create index assessor_authorisation_assessor
  on aggregator.assessor_authorisation (tenant, assessor);

create table aggregator.assessor_conflict (
  tenant text,
  conflict uuid,
  assessor uuid not null,
  person uuid not null,
  valid_from date,
  valid_to date,
  recorded_ms bigint not null,
  retracted_ms bigint,
  created_at timestamptz not null default now(),
  primary key (tenant, conflict),
  check (valid_from <= valid_to),
  check (retracted_ms >= recorded_ms)
);
create index assessor_conflict_assessor on aggregator.assessor_conflict (tenant, assessor);
create index assessor_conflict_person on aggregator.assessor_conflict (tenant, person);

create table aggregator.rule_version (
  tenant text,
  rule_id text,
  version int,
  competency text not null,
  status text not null,
  effective_from date not null,
  effective_to date,
  hash text not null,
  document json not null,
  recorded_ms bigint not null,
  created_at timestamptz not null default now(),
  primary key (tenant, rule_id, version)
);

-- Who changed what, when and why, of everything that people decide. Append-only by grants. `actor`
-- is the API client or the account that acted; `before` and `after` hold no personal data.
create table aggregator.audit_event (
  tenant text,
  event bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  recorded_ms bigint not null,
  actor text not null,
  action text not null,
  subject text not null,
  reason text,
  before json,
  after json,
  primary key (tenant, event)
);
create index audit_event_subject on aggregator.audit_event (tenant, subject, event);

-- Facts: one compact row of every statement, the first of its copies. -----------------------------

create table aggregator.statement_fact (
  tenant text,
  id uuid,
  body_hash bytea not null,
  append_ms bigint not null,
  partition int not null,
  record_offset bigint not null,
  record_index int not null,
  stored_ms bigint not null,
  occurred timestamptz not null,
  actor uuid,
  verb uuid not null,
  activity uuid,
  fact bytea not null,
  primary key (tenant, id)
);
create index statement_fact_actor on aggregator.statement_fact (tenant, actor, verb, activity)
  where actor is not null;

-- Copies of a statement that differ from the first: one row for each different body.
create table aggregator.fact_conflict (
  tenant text,
  id uuid,
  body_hash bytea,
  append_ms bigint not null,
  partition int not null,
  record_offset bigint not null,
  record_index int not null,
  stored_ms bigint not null,
  occurred timestamptz not null,
  actor uuid,
  verb uuid not null,
  activity uuid,
  fact bytea not null,
  primary key (tenant, id, body_hash)
);
create index fact_conflict_actor on aggregator.fact_conflict (tenant, actor, verb)
  where actor is not null;

-- Agents other than a single actor, of every copy: 'm' a member of the acting group, 'i' named as
-- assessor.
create table aggregator.fact_agent (
  tenant text,
  agent uuid,
  role "char" check (role in ('m', 'i')),
  id uuid,
  verb uuid not null,
  primary key (tenant, agent, role, id)
);

-- Which statements void which, of every copy; kept also when it arrives before its target.
create table aggregator.void (
  tenant text,
  target uuid,
  id uuid,
  primary key (tenant, target, id)
);

-- Work: what has to be decided anew, and when. ----------------------------------------------------

create table aggregator.mark (
  tenant text,
  person uuid,
  competency text,
  version bigint not null default 1,
  caused_ms bigint,
  marked_at timestamptz not null default now(),
  primary key (tenant, person, competency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
create index mark_marked_at on aggregator.mark (marked_at);

create table aggregator.wakeup (
  tenant text,
  person uuid,
  competency text,
  due_ms bigint not null,
  primary key (tenant, person, competency)
);
create index wakeup_due_ms on aggregator.wakeup (due_ms);

create table aggregator.evaluation_failure (
  tenant text,
  person uuid,
  competency text,
  error text not null,
  failures bigint not null default 1,
  failed_at timestamptz not null default now(),
  primary key (tenant, person, competency)
);

-- Decisions: append-only, and which one stands. ---------------------------------------------------

create table aggregator.decision (
  tenant text,
  person uuid,
  competency text,
  ordinal bigint,
  decision uuid not null,
  sequence bigint,
  as_of_ms bigint not null,
  known_at_ms bigint not null,
  rule_id text,
  rule_version int,
  rule_hash text,
  engine_version text not null,
  status text not null,
  level int,
  achieved_on date,
  expires_on date,
  outcome_hash bytea not null,
  document json not null,
  decided_at timestamptz not null default now(),
  primary key (tenant, person, competency, ordinal),
  unique (tenant, decision)
);

create table aggregator.decision_current (
  tenant text,
  person uuid,
  competency text,
  ordinal bigint not null,
  decision uuid not null,
  sequence bigint not null,
  status text not null,
  level int,
  achieved_on date,
  expires_on date,
  used uuid[] not null,
  reasons jsonb not null,
  outcome_hash bytea not null,
  primary key (tenant, person, competency)
) with (fillfactor = 80);
create index decision_current_competency
  on aggregator.decision_current (tenant, competency, status);

-- Least privileges. A row lock needs the right to update some column, hence
-- `update (created_at)` on person, which no statement of ours changes. -------------------------

grant usage on schema aggregator to assay_aggregator, assay_relay;

grant select, insert, update on aggregator.applied to assay_aggregator;
grant select, insert on aggregator.quarantine to assay_aggregator;
grant select, insert on aggregator.outbox to assay_aggregator;
grant select, update (last_used_at) on aggregator.api_client to assay_aggregator;

grant select, insert, update (created_at) on aggregator.person to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.identity_link to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.assessor_authorisation
  to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.assessor_conflict to assay_aggregator;
grant select, insert on aggregator.rule_version to assay_aggregator;
grant select, insert on aggregator.audit_event to assay_aggregator;

grant select, insert, update on aggregator.statement_fact to assay_aggregator;
grant select, insert, update, delete on aggregator.fact_conflict to assay_aggregator;
grant select, insert on aggregator.fact_agent to assay_aggregator;
grant select, insert on aggregator.void to assay_aggregator;

grant select, insert, update, delete on aggregator.mark to assay_aggregator;
grant select, insert, update, delete on aggregator.wakeup to assay_aggregator;
grant select, insert, update, delete on aggregator.evaluation_failure to assay_aggregator;

grant select, insert on aggregator.decision to assay_aggregator;
grant select, insert, update on aggregator.decision_current to assay_aggregator;

grant select, delete on aggregator.outbox to assay_relay;
