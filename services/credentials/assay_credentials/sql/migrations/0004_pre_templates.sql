-- Templates: how a credential for a competency looks, versioned and approved by a second person; the
-- images that they show; and with each credential the version that it was made by, and its VC-JWT.
create table credentials.template (
  tenant text,
  template text,
  version int,
  competency text not null,
  content jsonb not null,
  content_sha256 bytea not null,
  state text not null check (state in ('proposed', 'approved', 'withdrawn', 'retired')),
  proposed_by text not null,
  reason text not null,
  proposed_at timestamptz not null default clock_timestamp(),
  approved_by text,
  approved_at timestamptz,
  ended_by text,
  ended_at timestamptz,
  primary key (tenant, template, version),
  constraint template_two_people check (approved_by <> proposed_by),
  constraint template_approval
    check ((state in ('approved', 'retired')) = (approved_by is not null)),
  constraint template_end check ((state in ('withdrawn', 'retired')) = (ended_by is not null))
);
create unique index template_in_force on credentials.template (tenant, competency)
  where state = 'approved';
create unique index template_version_in_force on credentials.template (tenant, template)
  where state = 'approved';
create unique index template_proposal on credentials.template (tenant, template)
  where state = 'proposed';

create table credentials.image (
  tenant text,
  sha256 bytea,
  media_type text not null check (media_type in ('image/png', 'image/svg+xml')),
  content bytea not null,
  put_by text not null,
  put_at timestamptz not null default clock_timestamp(),
  primary key (tenant, sha256)
);

alter table credentials.credential
  add column template text,
  add column template_version int,
  add column jwt text,
  alter column suspension_list drop not null,
  alter column suspension_index drop not null,
  add constraint credential_template check ((template is null) = (template_version is null)),
  add constraint credential_suspension
    check ((suspension_list is null) = (suspension_index is null));

grant select, insert,
  update (state, approved_by, approved_at, ended_by, ended_at) on credentials.template
  to assay_credentials;
grant select, insert on credentials.image to assay_credentials;
