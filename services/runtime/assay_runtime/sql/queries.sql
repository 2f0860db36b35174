-- The queries of the runtime, over tables that every consuming schema has. {schema} is the
-- service's own schema.

-- name: find_client
select tenant, name, secret_hash, source, scopes
from {schema}.api_client
where name = $1 and revoked_at is null

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
