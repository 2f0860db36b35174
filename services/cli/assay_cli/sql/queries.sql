-- What the seed writes beside what the services' own admin modules do. {schema} is that of a
-- service: each has its own copy of this table.

-- name: put_client
insert into {schema}.api_client (name, tenant, secret_hash, source, scopes)
values ($1, $2, $3, $4, $5)
on conflict (name) do update
set tenant = excluded.tenant, secret_hash = excluded.secret_hash, source = excluded.source,
  scopes = excluded.scopes, revoked_at = null, previous_secret_hash = null,
  previous_secret_until = null

-- name: last_uses
select name, last_used_at
from {schema}.api_client
where name = any($1::text[]) and last_used_at is not null
