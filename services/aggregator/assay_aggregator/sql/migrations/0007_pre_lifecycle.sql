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
