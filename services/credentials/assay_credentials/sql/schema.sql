-- The schema of the credentials service. It is the truth; the migrations must add up to it.
--
-- Every key begins with the tenant, which is also the distribution key. Columns ending in _ms are
-- milliseconds of the log's time (append times).

create schema if not exists credentials;

-- What every consuming service has ---------------------------------------------------------------

create table credentials.applied (
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

create table credentials.quarantine (
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

create table credentials.outbox (
  id bigint generated always as identity primary key,
  topic text not null,
  key bytea not null,
  value bytea not null,
  created_at timestamptz not null default now()
);

-- Who may come in, by a key or by a token whose claim `oidc_claim` has the value `oidc_value`. The
-- previous secret works until its time is over. A limit that is null is that of the settings.
create table credentials.api_client (
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

create unique index api_client_bound on credentials.api_client (oidc_issuer, oidc_claim, oidc_value)
  where oidc_issuer is not null and revoked_at is null;
create index api_client_tenant on credentials.api_client (tenant, name);

-- Records of the tenant ---------------------------------------------------------------------------

-- How an issuer is called. A tenant without a row is called by its own name.
create table credentials.issuer (
  tenant text primary key,
  name text not null,
  url text,
  changed_at timestamptz not null default now()
);

-- The public halves of the keys that signed for a tenant; the private ones are files.
create table credentials.issuer_key (
  tenant text,
  did text,
  method text not null,
  made_at timestamptz not null default now(),
  primary key (tenant, did)
);

-- What the credential for a competency says. `levels` are the names of level 1, 2, 3 ...
create table credentials.achievement (
  tenant text,
  competency text,
  name text not null,
  description text not null,
  criteria text not null,
  code text,
  framework text,
  levels text[] not null default '{}',
  changed_at timestamptz not null default now(),
  primary key (tenant, competency)
);

-- Awards and credentials --------------------------------------------------------------------------

-- The last event of the topic for each person and competency. There is work for it while `version`
-- is not `done_version`; `taken_until` keeps a second worker from taking the same work, and is no
-- more than a saving: what two workers do at once is still done once.
create table credentials.award (
  tenant text,
  person uuid,
  competency text,
  sequence bigint not null,
  standing text not null
    check (standing in ('held', 'withdrawn', 'suspended', 'under_review', 'expired', 'revoked')),
  level int,
  achieved_on date,
  expires_on date,
  timezone text not null,
  as_of timestamptz not null,
  decision uuid not null,
  rule_id text not null,
  rule_version int not null,
  rule_hash text not null,
  evidence_digest bytea not null,
  event_ms bigint not null,
  version bigint not null default 1,
  done_version bigint not null default 0,
  taken_until timestamptz,
  failure text,
  primary key (tenant, person, competency)
);
create index award_work on credentials.award (event_ms) where version <> done_version;
create index award_failed on credentials.award (tenant) where failure is not null;

-- One list per tenant, key and purpose takes new entries (`is_open`). `version` counts the changes
-- of its bits, `signed_version` says which of them the served document holds.
create table credentials.status_list (
  tenant text,
  list uuid,
  did text not null,
  purpose text not null check (purpose in ('revocation', 'suspension')),
  size int not null,
  allocated int not null default 0,
  is_open boolean not null default true,
  version bigint not null default 1,
  signed_version bigint not null default 0,
  document bytea,
  signed_at timestamptz,
  valid_until timestamptz,
  primary key (tenant, list)
) with (fillfactor = 70);
create unique index status_list_open
  on credentials.status_list (tenant, did, purpose) where is_open;
create index status_list_list on credentials.status_list (list);
create index status_list_unsigned
  on credentials.status_list (tenant) where version <> signed_version;

create table credentials.status_entry (
  tenant text,
  list uuid,
  index int,
  credential uuid not null,
  is_set boolean not null default false,
  primary key (tenant, list, index)
);
create index status_entry_set on credentials.status_entry (tenant, list) where is_set;

-- `sequence` and what stands beside it are the award's that the credential was made from, and do
-- not change once it is published. `followed_sequence` is that of the last event that it followed.
create table credentials.credential (
  tenant text,
  credential uuid,
  person uuid not null,
  competency text not null,
  state text not null
    check (state in ('intended', 'issued', 'suspended', 'expired', 'superseded', 'revoked')),
  sequence bigint not null,
  followed_sequence bigint not null,
  decision uuid not null,
  level int,
  achieved_on date,
  expires_on date,
  timezone text not null,
  as_of timestamptz not null,
  evidence_digest bytea not null,
  did text not null,
  salt bytea not null,
  share_id text not null,
  revocation_list uuid not null,
  revocation_index int not null,
  suspension_list uuid not null,
  suspension_index int not null,
  intended_at timestamptz not null,
  document bytea,
  contexts jsonb,
  valid_from timestamptz,
  valid_until timestamptz,
  issued_at timestamptz,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (tenant, credential),
  check ((state = 'intended') = (document is null)),
  check ((state = 'intended') = (issued_at is null))
);
-- At most one that counts, and at most one that is being made to take its place.
create unique index credential_live
  on credentials.credential (tenant, person, competency) where state in ('issued', 'suspended');
create unique index credential_intended
  on credentials.credential (tenant, person, competency) where state = 'intended';
create index credential_person on credentials.credential (tenant, person, credential);
create index credential_credential on credentials.credential (credential);
create index credential_share on credentials.credential (share_id);

-- Least privileges: nothing but what has been sent is ever deleted. -------------------------------

grant usage on schema credentials to assay_credentials;

grant select, insert, update on credentials.applied to assay_credentials;
grant select, insert on credentials.quarantine to assay_credentials;
grant select, insert, delete on credentials.outbox to assay_credentials;
grant select, update (last_used_at) on credentials.api_client to assay_credentials;
grant select on credentials.issuer to assay_credentials;
grant select, insert on credentials.issuer_key to assay_credentials;
grant select on credentials.achievement to assay_credentials;
grant select, insert, update on credentials.award to assay_credentials;
grant select, insert, update on credentials.status_list to assay_credentials;
grant select, insert, update (is_set) on credentials.status_entry to assay_credentials;
grant select, insert, update on credentials.credential to assay_credentials;
