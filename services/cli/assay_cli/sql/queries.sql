-- What the seed writes beside what the services' own admin modules do. {schema} is that of a
-- service: each has its own copy of this table.

-- name: put_client
insert into {schema}.api_client (name, tenant, secret_hash, source, scopes)
values ($1, $2, $3, $4, $5)
on conflict (name) do update
set tenant = excluded.tenant, secret_hash = excluded.secret_hash, source = excluded.source,
  scopes = excluded.scopes, revoked_at = null
