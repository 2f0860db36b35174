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

grant select, insert, update (name, kind, parent) on aggregator.organisation to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.employment to assay_aggregator;
grant select, insert, update (name, standard, starts_on, ends_on) on aggregator.cohort
  to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.cohort_member to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.person_merge to assay_aggregator;
grant select, insert on aggregator.merge_move to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.identity_contradiction
  to assay_aggregator;
