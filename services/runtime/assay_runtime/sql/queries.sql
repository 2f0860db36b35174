-- The queries of the runtime, over tables that every consuming schema has. {schema} is the
-- service's own schema.

-- name: find_client
select tenant, name, secret_hash,
  case when previous_secret_until > now() then previous_secret_hash end as previous_secret_hash,
  extract(epoch from previous_secret_until - now())::float8 as previous_seconds,
  source, scopes, requests_per_second_max, statements_per_second_max, statements_per_day_max
from {schema}.api_client
where name = $1 and revoked_at is null

-- name: find_bound_client
-- Who a token names as its subject goes before who only asked for it.
select tenant, name, source, scopes,
  requests_per_second_max, statements_per_second_max, statements_per_day_max
from {schema}.api_client
where oidc_issuer = $1 and revoked_at is null
  and ((oidc_claim = 'sub' and oidc_value = $2) or (oidc_claim = 'azp' and oidc_value = $3))
order by oidc_claim desc
limit 1

-- name: note_use
-- Waits for nobody: whoever holds the row changes the client, and the next use is noted.
update {schema}.api_client set last_used_at = now()
where name = (
  select name from {schema}.api_client
  where name = $1 and (last_used_at is null or last_used_at <= now() - make_interval(secs => $2))
  for update skip locked
)

-- name: add_client
-- Adds nothing where the name was ever used, or the subject has another client.
insert into {schema}.api_client
  (name, tenant, secret_hash, source, scopes, oidc_issuer, oidc_claim, oidc_value,
   requests_per_second_max, statements_per_second_max, statements_per_day_max)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict do nothing
returning name

-- name: rotate_client
update {schema}.api_client
set secret_hash = $3,
  previous_secret_hash = case when $4::float8 > 0 then secret_hash end,
  previous_secret_until = case when $4 > 0 then now() + make_interval(secs => $4) end
where tenant = $1 and name = $2 and revoked_at is null and secret_hash is not null
returning name

-- name: revoke_client
update {schema}.api_client
set revoked_at = now(), previous_secret_hash = null, previous_secret_until = null
where tenant = $1 and name = $2 and revoked_at is null
returning name

-- name: show_client
select tenant, name, source, scopes, created_at, revoked_at, last_used_at,
  secret_hash is not null as has_secret, previous_secret_until, oidc_issuer, oidc_claim, oidc_value,
  requests_per_second_max, statements_per_second_max, statements_per_day_max
from {schema}.api_client
where tenant = $1 and name = $2

-- name: list_clients
select tenant, name, source, scopes, created_at, revoked_at, last_used_at,
  secret_hash is not null as has_secret, previous_secret_until, oidc_issuer, oidc_claim, oidc_value,
  requests_per_second_max, statements_per_second_max, statements_per_day_max
from {schema}.api_client
where (tenant, name) > ($1, $2) and ($3::text is null or tenant = $3)
order by tenant, name
limit $4

-- name: find_applied
select cluster_id, topic_id, next_offset, stored_ms
from {schema}.applied
where projection = $1 and topic = $2 and partition = $3

-- name: begin_applied
insert into {schema}.applied
  (projection, topic, partition, cluster_id, topic_id, next_offset, stored_ms)
values ($1, $2, $3, $4, $5, 0, 0)
on conflict do nothing

-- name: advance_applied
update {schema}.applied as a
set next_offset = n.next_offset, stored_ms = n.stored_ms, applied_at = now()
from unnest($3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
  as n (partition, expected, next_offset, stored_ms)
where a.projection = $1 and a.topic = $2 and a.partition = n.partition
  and a.next_offset = n.expected
returning a.partition

-- name: quarantine
insert into {schema}.quarantine
  (projection, topic, partition, record_offset, append_ms, reason, headers, key, value)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict do nothing

-- name: next_outbox
select id, topic, key, value
from {schema}.outbox
order by id
limit $1

-- name: delete_outbox
delete from {schema}.outbox where id = any($1::bigint[])

-- name: count_outbox
select count(*) from {schema}.outbox
