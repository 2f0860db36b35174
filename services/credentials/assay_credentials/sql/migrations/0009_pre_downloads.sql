-- Transcripts that were signed, and endorsements.
create table credentials.transcript (
  tenant text,
  transcript uuid,
  person uuid not null,
  method text not null,
  credentials uuid[] not null,
  sha256 bytea not null,
  asked_by text not null,
  made_at timestamptz not null default clock_timestamp(),
  primary key (tenant, transcript)
);
create index transcript_person on credentials.transcript (tenant, person, made_at);

create table credentials.endorsement (
  tenant text,
  endorsement uuid,
  issuer text not null,
  method text not null,
  state text not null check (state in ('issued', 'withdrawn')),
  kind text not null check (kind in ('credential', 'achievement', 'issuer')),
  endorsed text not null,
  credential uuid,
  name text not null,
  comment text not null,
  valid_until timestamptz,
  content_sha256 bytea not null,
  document bytea not null,
  revocation_list uuid not null,
  revocation_index int not null,
  made_at timestamptz not null,
  withdrawn_at timestamptz,
  primary key (tenant, endorsement),
  constraint endorsement_kind check ((kind = 'credential') = (credential is not null)),
  constraint endorsement_end check ((state = 'withdrawn') = (withdrawn_at is not null))
);
create index endorsement_endorsed on credentials.endorsement (tenant, endorsed)
  where state = 'issued';

grant select, insert on credentials.transcript to assay_credentials;
grant select, insert, update (state, withdrawn_at) on credentials.endorsement to assay_credentials;
