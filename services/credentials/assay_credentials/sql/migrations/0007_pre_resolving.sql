-- Whom the service trusts beside its own issuers, and the keys that sign verification receipts.
create table credentials.trusted_issuer (
  did text,
  added_at timestamptz default clock_timestamp(),
  name text not null,
  registry text,
  registry_url text,
  achievements text[],
  trusted_from timestamptz not null,
  trusted_until timestamptz,
  added_by text not null,
  reason text not null,
  removed_at timestamptz,
  removed_by text,
  removed_reason text,
  primary key (did, added_at),
  constraint trusted_issuer_removal check ((removed_at is null) = (removed_by is null)),
  constraint trusted_issuer_period check (trusted_until > trusted_from)
);
create unique index trusted_issuer_now on credentials.trusted_issuer (did) where removed_at is null;

create table credentials.receipt_key (
  did text primary key,
  method text not null,
  made_at timestamptz not null default clock_timestamp(),
  withdrawn_at timestamptz
);

grant select on credentials.trusted_issuer to assay_credentials;
grant select, insert on credentials.receipt_key to assay_credentials;
