-- A client may have two secrets for a time (rotation), or be bound to a subject of an identity
-- provider; it has limits, and its last use is noted. One of the two ways to come in must be there.
alter table ingest.api_client
  alter column secret_hash drop not null,
  add column previous_secret_hash text,
  add column previous_secret_until timestamptz,
  add column last_used_at timestamptz,
  add column oidc_issuer text,
  add column oidc_claim text check (oidc_claim in ('sub', 'azp')),
  add column oidc_value text,
  add column requests_per_second_max float8 check (requests_per_second_max > 0),
  add column statements_per_second_max float8 check (statements_per_second_max > 0),
  add column statements_per_day_max bigint check (statements_per_day_max > 0),
  add constraint api_client_door check (secret_hash is not null or oidc_issuer is not null);

create unique index api_client_bound on ingest.api_client (oidc_issuer, oidc_claim, oidc_value)
  where oidc_issuer is not null and revoked_at is null;
create index api_client_tenant on ingest.api_client (tenant, name);

-- Who changed which client when. Rows are only ever added.
create table ingest.client_audit (
  tenant text not null,
  entry bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  actor text not null,
  action text not null check (action in ('add', 'rotate', 'revoke')),
  client text not null,
  detail jsonb not null,
  primary key (tenant, entry)
);

-- What each client did on each day (UTC), added up by the processes in the background.
create table ingest.client_usage (
  tenant text not null,
  client text not null,
  day date not null,
  requests bigint not null,
  statements bigint not null,
  primary key (tenant, client, day)
);

grant insert, update (
  secret_hash, previous_secret_hash, previous_secret_until, last_used_at, revoked_at
) on ingest.api_client to assay_ingest;
grant insert on ingest.client_audit to assay_ingest;
grant select, insert, update on ingest.client_usage to assay_ingest;
