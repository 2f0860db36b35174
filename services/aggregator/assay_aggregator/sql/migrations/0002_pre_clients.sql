-- A client may have two secrets for a time (rotation), or be bound to a subject of an identity
-- provider; it has limits, and its last use is noted. One of the two ways to come in must be there.
alter table aggregator.api_client
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

create unique index api_client_bound on aggregator.api_client (oidc_issuer, oidc_claim, oidc_value)
  where oidc_issuer is not null and revoked_at is null;
create index api_client_tenant on aggregator.api_client (tenant, name);

grant update (last_used_at) on aggregator.api_client to assay_aggregator;
