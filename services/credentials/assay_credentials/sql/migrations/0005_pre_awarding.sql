-- People who sign, their signatures and the audit trail; awards and withdrawals by two people; merges
-- of people; whom the outreach realm holds; and with each award and credential what it stands on.
create table credentials.account (
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

create table credentials.signature (
  tenant text,
  signature uuid,
  account text not null,
  name text not null,
  meaning text not null,
  content_hash text not null,
  recorded_ms bigint not null,
  signed_at timestamptz not null default clock_timestamp(),
  primary key (tenant, signature),
  foreign key (tenant, account) references credentials.account (tenant, account)
);
create index signature_content on credentials.signature (tenant, content_hash);

create table credentials.audit_event (
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
create index audit_event_subject on credentials.audit_event (tenant, subject, event);
create index audit_event_action on credentials.audit_event (tenant, action, event);
create index audit_event_actor on credentials.audit_event (tenant, actor, event);

create table credentials.manual_award (
  tenant text,
  manual uuid,
  kind text not null check (kind in ('competency', 'participation')),
  competency text not null,
  level int,
  achieved_on date not null,
  expires_on date,
  timezone text not null,
  reason text not null,
  request text,
  meaning text not null,
  people int not null check (people > 0),
  people_sha256 bytea not null,
  content_hash text not null,
  proposed_by text not null,
  proposed_signature uuid not null,
  proposed_at timestamptz not null default clock_timestamp(),
  approved_by text,
  approved_signature uuid,
  approved_at timestamptz,
  cancelled_by text,
  cancelled_at timestamptz,
  primary key (tenant, manual),
  foreign key (tenant, proposed_signature) references credentials.signature (tenant, signature),
  foreign key (tenant, approved_signature) references credentials.signature (tenant, signature),
  constraint manual_award_two_people check (approved_by <> proposed_by),
  constraint manual_award_approval check (
    (approved_by is null) = (approved_at is null)
    and (approved_by is null) = (approved_signature is null)),
  constraint manual_award_cancelled check (
    (cancelled_by is null) = (cancelled_at is null)
    and (cancelled_by is null or approved_by is null)),
  constraint manual_award_request check ((kind = 'participation') = (request is not null))
);

create table credentials.manual_person (
  tenant text,
  manual uuid,
  person uuid,
  outcome text check (outcome in ('awarded', 'already_holds', 'refused')),
  why text,
  withdrawal uuid,
  primary key (tenant, manual, person),
  foreign key (tenant, manual) references credentials.manual_award (tenant, manual)
);

create table credentials.manual_withdrawal (
  tenant text,
  withdrawal uuid,
  manual uuid not null,
  person uuid,
  reason text not null,
  meaning text not null,
  content_hash text not null,
  proposed_by text not null,
  proposed_signature uuid not null,
  proposed_at timestamptz not null default clock_timestamp(),
  approved_by text,
  approved_signature uuid,
  approved_at timestamptz,
  primary key (tenant, withdrawal),
  foreign key (tenant, manual) references credentials.manual_award (tenant, manual),
  foreign key (tenant, proposed_signature) references credentials.signature (tenant, signature),
  foreign key (tenant, approved_signature) references credentials.signature (tenant, signature),
  constraint manual_withdrawal_two_people check (approved_by <> proposed_by),
  constraint manual_withdrawal_approval check (
    (approved_by is null) = (approved_at is null)
    and (approved_by is null) = (approved_signature is null))
);
create index manual_withdrawal_manual on credentials.manual_withdrawal (tenant, manual);

create table credentials.person_merge (
  tenant text,
  merge uuid,
  person uuid not null,
  kept uuid not null,
  is_retracted boolean not null default false,
  primary key (tenant, merge),
  check (person <> kept)
);
create index person_merge_person on credentials.person_merge (tenant, person)
  where not is_retracted;
create index person_merge_kept on credentials.person_merge (tenant, kept) where not is_retracted;

create table credentials.outreach_tenant (
  tenant text primary key,
  added_by text not null,
  added_at timestamptz not null default now(),
  removed_at timestamptz
);

create table credentials.outreach_person (
  tenant text,
  person uuid,
  added_by text not null,
  added_at timestamptz not null default now(),
  removed_at timestamptz,
  primary key (tenant, person)
);

alter table credentials.award
  alter column decision drop not null,
  alter column rule_id drop not null,
  alter column rule_version drop not null,
  alter column rule_hash drop not null,
  add column source text not null default 'decision' check (source in ('decision', 'manual')),
  add column kind text not null default 'competency'
    check (kind in ('competency', 'participation')),
  add column manual uuid,
  add column reason text,
  add constraint award_ground
    check ((source = 'decision') = (decision is not null)
      and (source = 'manual') = (manual is not null));
create index award_lapsing on credentials.award (expires_on)
  where source = 'manual' and standing = 'held' and expires_on is not null;
create index award_manual on credentials.award (tenant, manual) where manual is not null;

alter table credentials.credential
  alter column decision drop not null,
  add column manual uuid,
  add column kind text not null default 'competency'
    check (kind in ('competency', 'participation')),
  add column reason text,
  add constraint credential_ground check ((decision is null) <> (manual is null));
create index credential_manual on credentials.credential (tenant, manual, person)
  where manual is not null;

grant select, insert, update (
  secret_hash, temporary, password_at, disabled_at, failures, locked_until
) on credentials.account to assay_credentials;
grant select, insert on credentials.signature to assay_credentials;
grant select, insert on credentials.audit_event to assay_credentials;
grant select, insert,
  update (approved_by, approved_signature, approved_at, cancelled_by, cancelled_at)
  on credentials.manual_award to assay_credentials;
grant select, insert, update (outcome, why, withdrawal) on credentials.manual_person
  to assay_credentials;
grant select, insert, update (approved_by, approved_signature, approved_at)
  on credentials.manual_withdrawal to assay_credentials;
grant select, insert, update (is_retracted) on credentials.person_merge to assay_credentials;
grant select on credentials.outreach_tenant to assay_credentials;
grant select on credentials.outreach_person to assay_credentials;
