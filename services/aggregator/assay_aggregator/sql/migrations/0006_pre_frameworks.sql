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

grant select, insert on aggregator.framework to assay_aggregator;
grant select, insert on aggregator.framework_object to assay_aggregator;
grant select, insert, update on aggregator.competency to assay_aggregator;
grant select, insert, update on aggregator.role to assay_aggregator;
grant select, insert, update (retracted_ms) on aggregator.role_requirement to assay_aggregator;
