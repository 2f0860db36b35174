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

-- Organisations, their people over time, and cohorts (apprenticeships with standard and dates).
create table aggregator.organisation (
  tenant text,
  organisation text,
  name text not null,
  kind text not null check (kind in ('organisation', 'site', 'centre')),
  parent text,
  created_at timestamptz not null default now(),
  primary key (tenant, organisation),
  foreign key (tenant, parent) references aggregator.organisation (tenant, organisation),
  check (parent <> organisation)
);

create table aggregator.employment (
  tenant text,
  employment uuid,
  person uuid not null,
  organisation text not null,
  role text,
  valid_from date,
  valid_to date,
  recorded_ms bigint not null,
  retracted_ms bigint,
  created_at timestamptz not null default now(),
  primary key (tenant, employment),
  foreign key (tenant, organisation) references aggregator.organisation (tenant, organisation),
  check (valid_from <= valid_to),
  check (retracted_ms >= recorded_ms)
);
create index employment_person on aggregator.employment (tenant, person);
create index employment_organisation on aggregator.employment (tenant, organisation, person);
create index employment_role on aggregator.employment (tenant, role, person)
  where role is not null;

create table aggregator.cohort (
  tenant text,
  cohort text,
  name text not null,
  standard text,
  starts_on date,
  ends_on date,
  created_at timestamptz not null default now(),
  primary key (tenant, cohort),
  check (starts_on <= ends_on)
);

create table aggregator.cohort_member (
  tenant text,
  membership uuid,
  cohort text not null,
  person uuid not null,
  valid_from date,
  valid_to date,
  recorded_ms bigint not null,
  retracted_ms bigint,
  created_at timestamptz not null default now(),
  primary key (tenant, membership),
  foreign key (tenant, cohort) references aggregator.cohort (tenant, cohort),
  check (valid_from <= valid_to),
  check (retracted_ms >= recorded_ms)
);
create index cohort_member_cohort on aggregator.cohort_member (tenant, cohort, person);
create index cohort_member_person on aggregator.cohort_member (tenant, person);

-- Two people found to be one: `merged` is `kept` from `recorded_ms` on, until it is taken back.
-- Each record of `merged` that was moved stands in `merge_move`: `was` is the record of `merged`
-- that was retracted (null for the days of an automatic link), `made` the one of `kept`; and, when
-- the merge was taken back, `made` the one that gave it back.
create table aggregator.person_merge (
  tenant text,
  merge uuid,
  kept uuid not null,
  merged uuid not null,
  recorded_ms bigint not null,
  retracted_ms bigint,
  created_at timestamptz not null default now(),
  primary key (tenant, merge),
  check (kept <> merged),
  check (retracted_ms >= recorded_ms)
);
create unique index person_merge_merged on aggregator.person_merge (tenant, merged)
  where retracted_ms is null;
create index person_merge_kept on aggregator.person_merge (tenant, kept);

create table aggregator.merge_move (
  tenant text,
  merge uuid,
  kind text check (kind in ('link', 'authorisation', 'conflict', 'employment', 'membership')),
  made uuid,
  was uuid,
  primary key (tenant, merge, kind, made)
);
create index merge_move_made on aggregator.merge_move (tenant, kind, made);

-- Stated links that stand: who collides is found among them. Automatic links never come into it.
create index identity_link_stated on aggregator.identity_link (tenant, agent)
  where not automatic and retracted_ms is null;

-- A roster said that these agents are one person, and the links say that they are not. It stands
-- while they are different people and nobody has set it aside.
create table aggregator.identity_contradiction (
  tenant text,
  contradiction uuid,
  agents uuid[] not null,
  place text not null,
  recorded_ms bigint not null,
  retracted_ms bigint,
  created_at timestamptz not null default now(),
  primary key (tenant, contradiction),
  check (retracted_ms >= recorded_ms)
);

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

-- Somebody holds a competency on these local days (of the rule's time zone), by two persons'
-- signature. Proposed by the first; in force from `recorded_ms` on, when the second has signed.
create table aggregator.override (
  tenant text,
  override uuid,
  person uuid not null,
  competency text not null,
  level int,
  valid_from date not null,
  valid_to date not null,
  meaning text not null,
  reason text not null,
  proposed_by text not null,
  proposed_signature uuid not null,
  approved_by text,
  approved_signature uuid,
  proposed_ms bigint not null,
  recorded_ms bigint,
  retracted_ms bigint,
  created_at timestamptz not null default now(),
  primary key (tenant, override),
  check (valid_from <= valid_to),
  check (recorded_ms >= proposed_ms),
  check (retracted_ms >= proposed_ms),
  check (approved_by <> proposed_by)
);
create index override_person on aggregator.override (tenant, person, competency);

-- A decision that somebody looks at again: open from `recorded_ms` until `retracted_ms`. The person
-- whom it concerns may contest it; nobody closes what they opened.
create table aggregator.review (
  tenant text,
  review uuid,
  person uuid not null,
  competency text not null,
  kind text not null check (kind in ('review', 'contest')),
  reason text not null,
  opened_by text not null,
  opened_signature uuid,
  recorded_ms bigint not null,
  retracted_ms bigint,
  outcome text check (outcome in ('upheld', 'changed')),
  closed_reason text,
  closed_by text,
  closed_signature uuid,
  created_at timestamptz not null default now(),
  primary key (tenant, review),
  check (retracted_ms >= recorded_ms),
  check ((retracted_ms is null) = (closed_by is null)),
  check (closed_by <> opened_by)
);
create index review_person on aggregator.review (tenant, person, competency);
create unique index review_open on aggregator.review (tenant, person, competency, opened_by)
  where retracted_ms is null;

-- Whose competency events also become xAPI statements. `home_page` is that of the accounts by which
-- people without any agent of their own are spoken of.
create table aggregator.emission (
  tenant text primary key,
  home_page text not null,
  created_at timestamptz not null default now()
);

-- A version that was taken out of force: it decides before `effective_to`, and no more from then.
create table aggregator.rule_retirement (
  tenant text,
  rule_id text,
  version int,
  effective_to date not null,
  account text not null,
  signature uuid not null,
  reason text not null,
  recorded_ms bigint not null,
  retired_at timestamptz not null default now(),
  primary key (tenant, rule_id, version)
);

-- Accounts of people who sign, and their signatures. A password is `temporary` until the person
-- has chosen it: whoever set it cannot sign with it.
create table aggregator.account (
  tenant text,
  account text check (account ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  name text not null,
  secret_hash text not null,
  temporary boolean not null,
  roles text[] not null,
  created_at timestamptz not null default now(),
  password_at timestamptz not null default now(),
  disabled_at timestamptz,
  failures int not null default 0 check (failures >= 0),
  locked_until timestamptz,
  primary key (tenant, account)
);

create table aggregator.signature (
  tenant text,
  signature uuid,
  account text not null,
  name text not null,
  meaning text not null,
  content_hash text not null,
  recorded_ms bigint not null,
  signed_at timestamptz not null default clock_timestamp(),
  primary key (tenant, signature),
  foreign key (tenant, account) references aggregator.account (tenant, account)
);
create index signature_content on aggregator.signature (tenant, content_hash);

-- Rules before they decide: each content that a draft had, each step it took, who approved what,
-- and whom the content was found to concern.
create table aggregator.rule_draft (
  tenant text,
  rule_id text,
  version int,
  revision int,
  competency text not null,
  content_hash text not null,
  document json not null,
  actor text not null,
  account text not null,
  signature uuid not null,
  reason text not null,
  recorded_ms bigint not null,
  drafted_at timestamptz not null default clock_timestamp(),
  primary key (tenant, rule_id, version, revision),
  foreign key (tenant, signature) references aggregator.signature (tenant, signature)
);

create table aggregator.rule_step (
  tenant text,
  rule_id text,
  version int,
  step int,
  action text not null,
  state text not null check (state in ('draft', 'in_review', 'effective', 'retired', 'withdrawn')),
  revision int not null,
  content_hash text not null,
  actor text not null,
  account text,
  signature uuid,
  reason text,
  recorded_ms bigint not null,
  stepped_at timestamptz not null default clock_timestamp(),
  primary key (tenant, rule_id, version, step),
  check ((account is null) = (signature is null))
);

create table aggregator.rule_approval (
  tenant text,
  rule_id text,
  version int,
  signature uuid,
  revision int not null,
  content_hash text not null,
  account text not null,
  preview uuid not null,
  recorded_ms bigint not null,
  approved_at timestamptz not null default clock_timestamp(),
  primary key (tenant, rule_id, version, signature),
  foreign key (tenant, signature) references aggregator.signature (tenant, signature)
);

create table aggregator.rule_preview (
  tenant text,
  preview uuid,
  rule_id text not null,
  version int not null,
  content_hash text not null,
  actor text not null,
  as_of_ms bigint not null,
  known_at_ms bigint not null,
  people bigint not null,
  counts json not null,
  changes_hash text not null,
  previewed_at timestamptz not null default clock_timestamp(),
  primary key (tenant, preview)
);
create index rule_preview_content on aggregator.rule_preview (tenant, content_hash, known_at_ms);

create table aggregator.rule_preview_change (
  tenant text,
  preview uuid,
  person uuid,
  competency text,
  kinds text[] not null,
  before json not null,
  after json not null,
  primary key (tenant, preview, person, competency),
  foreign key (tenant, preview) references aggregator.rule_preview (tenant, preview)
    deferrable initially deferred
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
create index audit_event_action on aggregator.audit_event (tenant, action, event);
create index audit_event_actor on aggregator.audit_event (tenant, actor, event);

-- Frameworks and roles. -----------------------------------------------------------------------

-- Competency frameworks (CASE 1.1), every version as it was imported. `frame` is the package
-- without the members of its lists, which are the rows of framework_object: put back in order they
-- are the package again. Numbers are kept as they were written, hence json and not jsonb.
create table aggregator.framework (
  tenant text,
  framework text,
  version int check (version >= 1),
  uri text not null,
  title text not null,
  framework_type text,
  attribution text,
  hash bytea not null,
  frame json not null,
  findings json not null,
  recorded_ms bigint not null,
  created_at timestamptz not null default now(),
  primary key (tenant, framework, version)
);

-- `identifier`, `origin` and `destination` are in lower case, to be found by; the body says them as
-- they were written.
create table aggregator.framework_object (
  tenant text,
  framework text,
  version int,
  section text check (section in (
    'CFItems', 'CFAssociations', 'CFRubrics', 'CFConcepts', 'CFSubjects', 'CFLicenses',
    'CFItemTypes', 'CFAssociationGroupings'
  )),
  position int,
  identifier text not null,
  origin text,
  destination text,
  body json not null,
  primary key (tenant, framework, version, section, position)
);
create index framework_object_identifier
  on aggregator.framework_object (tenant, identifier, section);
create index framework_object_origin
  on aggregator.framework_object (tenant, origin) where origin is not null;
create index framework_object_destination
  on aggregator.framework_object (tenant, destination) where destination is not null;

-- What competencies are called: the items of the newest version of each framework that is not one
-- of roles or occupations. A competency that its framework holds no more is `withdrawn`.
create table aggregator.competency (
  tenant text,
  competency text,
  code text,
  name text not null,
  statement text not null,
  kind text,
  framework text not null,
  identifier text not null,
  position int not null,
  withdrawn boolean not null,
  primary key (tenant, competency)
);
create index competency_framework on aggregator.competency (tenant, framework, position);
create index competency_code on aggregator.competency (tenant, code);

-- A role, and what it asks for. `framework` is the CASE document that it comes from, if from one.
create table aggregator.role (
  tenant text,
  role text,
  name text not null,
  framework text,
  primary key (tenant, role)
);

create table aggregator.role_requirement (
  tenant text,
  requirement uuid,
  role text not null,
  competency text not null,
  level int check (level >= 0),
  recorded_ms bigint not null,
  retracted_ms bigint,
  created_at timestamptz not null default now(),
  primary key (tenant, requirement),
  check (retracted_ms >= recorded_ms)
);
create unique index role_requirement_standing
  on aggregator.role_requirement (tenant, role, competency) where retracted_ms is null;
create index role_requirement_competency on aggregator.role_requirement (tenant, competency);

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
  -- How soon the award expires: the smallest threshold in days that had passed.
  expiring_days int,
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
  -- How soon the award expires: the smallest threshold in days that has passed.
  expiring_days int,
  primary key (tenant, person, competency)
) with (fillfactor = 80);
create index decision_current_competency
  on aggregator.decision_current (tenant, competency, status, person);
create index decision_current_expiry
  on aggregator.decision_current (tenant, expires_on, person, competency)
  where expires_on is not null;

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
grant select, insert on aggregator.rule_retirement to assay_aggregator;
grant select, insert, update (
  secret_hash, temporary, password_at, disabled_at, failures, locked_until
) on aggregator.account to assay_aggregator;
grant select, insert on aggregator.signature to assay_aggregator;
grant select, insert on aggregator.rule_draft to assay_aggregator;
grant select, insert on aggregator.rule_step to assay_aggregator;
grant select, insert on aggregator.rule_approval to assay_aggregator;
grant select, insert on aggregator.rule_preview to assay_aggregator;
grant select, insert on aggregator.rule_preview_change to assay_aggregator;
grant select, insert on aggregator.audit_event to assay_aggregator;

grant select, insert on aggregator.framework to assay_aggregator;
grant select, insert on aggregator.framework_object to assay_aggregator;
grant select, insert, update on aggregator.competency to assay_aggregator;
grant select, insert, update on aggregator.role to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.role_requirement to assay_aggregator;
grant select, insert,
  update (approved_by, approved_signature, recorded_ms, retracted_ms)
  on aggregator.override to assay_aggregator;
grant select, insert,
  update (retracted_ms, outcome, closed_reason, closed_by, closed_signature)
  on aggregator.review to assay_aggregator;
grant select on aggregator.emission to assay_aggregator;
grant select, insert, update (name, kind, parent) on aggregator.organisation to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.employment to assay_aggregator;
grant select, insert, update (name, standard, starts_on, ends_on) on aggregator.cohort
  to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.cohort_member to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.person_merge to assay_aggregator;
grant select, insert on aggregator.merge_move to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.identity_contradiction
  to assay_aggregator;

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
