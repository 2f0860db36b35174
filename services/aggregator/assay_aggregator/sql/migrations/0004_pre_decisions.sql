-- What people decide beside the evidence: awards by hand, and reviews of a decision.

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

-- How soon the award of a decision expires: the smallest threshold (days) passed when it was made.
alter table aggregator.decision add column expiring_days int;
alter table aggregator.decision_current add column expiring_days int;

grant select, insert,
  update (approved_by, approved_signature, recorded_ms, retracted_ms)
  on aggregator.override to assay_aggregator;
grant select, insert,
  update (retracted_ms, outcome, closed_reason, closed_by, closed_signature)
  on aggregator.review to assay_aggregator;
grant select on aggregator.emission to assay_aggregator;
