-- The queries of the ingest service. Names beginning with `search_` are fragments that
-- `search.compose` puts together; `:name` in them stands for a parameter.

-- name: find_source
select modality, authority::text as authority, vouches_for_assessors, learner_controlled
from ingest.source
where tenant = $1 and source = $2

-- name: find_keys
select k.tenant, k.id, k.body_hash, k.source, k.stored_ms, k.voids
from unnest($1::text[], $2::uuid[]) as wanted (tenant, id)
join ingest.statement_key as k using (tenant, id)

-- name: find_statement
select s.stored_ms, s.raw,
  exists (
    select from ingest.void as v where v.tenant = $1 and v.target = $2 and v.counts
  ) as voided
from ingest.statement_key as k
join ingest.statement as s
  on s.tenant = k.tenant and s.stored_ms = k.stored_ms and s.id = k.id
where k.tenant = $1 and k.id = $2

-- name: read_applied
select partition, next_offset, stored_ms
from ingest.applied
where projection = 'store' and topic = $1

-- name: count_quarantine
select count(*) from ingest.quarantine

-- name: begin_batch
-- Voids are judged by looking at their target. While a batch with voids runs, no other batch does,
-- so that a void and its target, arriving at two consumers at once, cannot miss each other.
select case when $2::boolean
  then pg_advisory_xact_lock($1::bigint) else pg_advisory_xact_lock_shared($1::bigint)
end

-- name: claim_keys
insert into ingest.statement_key as k
  (tenant, id, append_ms, partition, record_offset, record_index, stored_ms, body_hash, source,
   voids)
select n.tenant, n.id, n.append_ms, n.partition, n.record_offset, n.record_index, n.stored_ms,
  n.body_hash, n.source, n.voids
from unnest($1::text[], $2::uuid[], $3::bigint[], $4::int[], $5::bigint[], $6::int[],
  $7::bigint[], $8::bytea[], $9::text[], $10::uuid[])
  as n (tenant, id, append_ms, partition, record_offset, record_index, stored_ms, body_hash,
    source, voids)
on conflict (tenant, id) do update
set append_ms = excluded.append_ms, partition = excluded.partition,
  record_offset = excluded.record_offset, record_index = excluded.record_index,
  stored_ms = excluded.stored_ms, body_hash = excluded.body_hash, source = excluded.source,
  voids = excluded.voids
where (excluded.append_ms, excluded.partition, excluded.record_offset, excluded.record_index)
  < (k.append_ms, k.partition, k.record_offset, k.record_index)
returning k.tenant, k.id, old.append_ms, old.partition, old.record_offset, old.record_index,
  old.stored_ms, old.body_hash

-- name: find_holders
select k.tenant, k.id, k.append_ms, k.partition, k.record_offset, k.record_index, k.body_hash
from unnest($1::text[], $2::uuid[]) as t (tenant, id)
join ingest.statement_key as k on k.tenant = t.tenant and k.id = t.id

-- name: insert_statements
insert into ingest.statement
  (tenant, stored_ms, id, source, client, version, verb, actor, activity, registration, timestamp,
   voids, raw)
select n.tenant, n.stored_ms, n.id, n.source, n.client, n.version, n.verb, n.actor, n.activity,
  n.registration, n.timestamp, n.voids, n.raw
from unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[],
  $8::uuid[], $9::uuid[], $10::uuid[], $11::timestamptz[], $12::uuid[], $13::bytea[])
  as n (tenant, stored_ms, id, source, client, version, verb, actor, activity, registration,
    timestamp, voids, raw)

-- name: insert_agents
insert into ingest.statement_agent (tenant, agent, stored_ms, id)
select n.tenant, n.agent, n.stored_ms, n.id
from unnest($1::text[], $2::uuid[], $3::bigint[], $4::uuid[]) as n (tenant, agent, stored_ms, id)

-- name: delete_statements
delete from ingest.statement as s
using unnest($1::text[], $2::bigint[], $3::uuid[]) as n (tenant, stored_ms, id)
where s.tenant = n.tenant and s.stored_ms = n.stored_ms and s.id = n.id
returning s.tenant, s.stored_ms, s.id, s.source, s.client, s.voids, s.raw

-- name: delete_agents
delete from ingest.statement_agent as a
using unnest($1::text[], $2::uuid[], $3::bigint[], $4::uuid[]) as n (tenant, agent, stored_ms, id)
where a.tenant = n.tenant and a.agent = n.agent and a.stored_ms = n.stored_ms and a.id = n.id

-- name: keep_conflicts
insert into ingest.conflict as c
  (tenant, id, body_hash, append_ms, partition, record_offset, record_index, stored_ms, source,
   client, raw)
select n.tenant, n.id, n.body_hash, n.append_ms, n.partition, n.record_offset, n.record_index,
  n.stored_ms, n.source, n.client, n.raw
from unnest($1::text[], $2::uuid[], $3::bytea[], $4::bigint[], $5::int[], $6::bigint[], $7::int[],
  $8::bigint[], $9::text[], $10::text[], $11::bytea[])
  as n (tenant, id, body_hash, append_ms, partition, record_offset, record_index, stored_ms,
    source, client, raw)
on conflict (tenant, id, body_hash) do update
set append_ms = excluded.append_ms, partition = excluded.partition,
  record_offset = excluded.record_offset, record_index = excluded.record_index,
  stored_ms = excluded.stored_ms, source = excluded.source, client = excluded.client,
  raw = excluded.raw
where (excluded.append_ms, excluded.partition, excluded.record_offset, excluded.record_index)
  < (c.append_ms, c.partition, c.record_offset, c.record_index)

-- name: forget_conflicts
delete from ingest.conflict as c
using unnest($1::text[], $2::uuid[], $3::bytea[]) as n (tenant, id, body_hash)
where c.tenant = n.tenant and c.id = n.id and c.body_hash = n.body_hash

-- name: insert_voids
insert into ingest.void
  (tenant, target, voiding, stored_ms, source, may_void, learner_controlled, counts, reason)
select n.tenant, n.target, n.voiding, n.stored_ms, n.source, n.may_void, n.learner_controlled,
  false, 'target_unknown'
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::boolean[],
  $7::boolean[])
  as n (tenant, target, voiding, stored_ms, source, may_void, learner_controlled)

-- name: delete_voids
delete from ingest.void as v
using unnest($1::text[], $2::uuid[], $3::uuid[]) as n (tenant, target, voiding)
where v.tenant = n.tenant and v.target = n.target and v.voiding = n.voiding

-- name: judge_voids
-- The rule of voids, once, for every void whose target is among the given ids.
update ingest.void as v
set counts = j.reason is null, reason = j.reason
from (
  select w.tenant, w.target, w.voiding,
    case
      when k.id is null then 'target_unknown'
      when k.voids is not null then 'target_is_voiding'
      when w.may_void then null
      when k.source = w.source and not w.learner_controlled then null
      else 'void_not_authorised'
    end as reason
  from unnest($1::text[], $2::uuid[]) as t (tenant, target)
  join ingest.void as w on w.tenant = t.tenant and w.target = t.target
  left join ingest.statement_key as k on k.tenant = t.tenant and k.id = t.target
) as j
where v.tenant = j.tenant and v.target = j.target and v.voiding = j.voiding
  and v.reason is distinct from j.reason

-- name: insert_rejected
insert into ingest.rejected
  (tenant, source, topic, topic_id, partition, record_offset, record_index, statement_id, reason,
   detail, body)
select n.tenant, n.source, n.topic, n.topic_id, n.partition, n.record_offset, n.record_index,
  n.statement_id, n.reason, n.detail::jsonb, n.body
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::int[],
  $8::uuid[], $9::text[], $10::text[], $11::bytea[])
  as n (tenant, source, topic, topic_id, partition, record_offset, record_index, statement_id,
    reason, detail, body)
on conflict do nothing

-- name: put_tenant
insert into ingest.tenant (tenant) values ($1) on conflict do nothing

-- name: put_source
insert into ingest.source
  (tenant, source, modality, authority, vouches_for_assessors, learner_controlled)
values ($1, $2, $3, $4::text::jsonb, $5, $6)
on conflict (tenant, source) do update
set modality = excluded.modality, authority = excluded.authority,
  vouches_for_assessors = excluded.vouches_for_assessors,
  learner_controlled = excluded.learner_controlled

-- name: put_client
insert into ingest.api_client (name, tenant, secret_hash, source, scopes)
values ($1, $2, $3, $4, $5)
on conflict (name) do update
set tenant = excluded.tenant, secret_hash = excluded.secret_hash, source = excluded.source,
  scopes = excluded.scopes, revoked_at = null

-- name: list_rejected
-- What the rules refused, what lost an id to an earlier copy, and voids without authority.
select r.at, r.tenant, r.source, r.reason, r.topic, r.partition, r.record_offset, r.record_index,
  r.statement_id
from ingest.rejected as r
where r.tenant = $1
union all
select c.at, c.tenant, c.source, 'id_conflict', $3::text, c.partition, c.record_offset,
  c.record_index, c.id
from ingest.conflict as c
where c.tenant = $1
union all
select to_timestamp(v.stored_ms / 1000.0), v.tenant, v.source, v.reason, $3::text, k.partition,
  k.record_offset, k.record_index, v.voiding
from ingest.void as v
join ingest.statement_key as k on k.tenant = v.tenant and k.id = v.voiding
where v.tenant = $1 and v.reason = 'void_not_authorised'
order by 1 desc, 5, 6, 7, 8
limit $2

-- name: show_rejected
select r.at, r.tenant, r.source, r.reason, r.topic, r.partition, r.record_offset, r.record_index,
  r.statement_id, r.detail::text as detail, r.body
from ingest.rejected as r
where r.tenant = $1 and r.topic = $2 and r.partition = $3 and r.record_offset = $4
  and r.record_index = $5
union all
select c.at, c.tenant, c.source, 'id_conflict', $2::text, c.partition, c.record_offset,
  c.record_index, c.id, '[]', c.raw
from ingest.conflict as c
where c.tenant = $1 and $2 = $6::text and c.partition = $3 and c.record_offset = $4
  and c.record_index = $5
union all
select to_timestamp(v.stored_ms / 1000.0), v.tenant, v.source, v.reason, $2::text, k.partition,
  k.record_offset, k.record_index, v.voiding, '[]', s.raw
from ingest.void as v
join ingest.statement_key as k on k.tenant = v.tenant and k.id = v.voiding
join ingest.statement as s
  on s.tenant = k.tenant and s.stored_ms = k.stored_ms and s.id = k.id
where v.tenant = $1 and v.reason = 'void_not_authorised' and $2 = $6::text and k.partition = $3
  and k.record_offset = $4 and k.record_index = $5
order by 1

-- name: search_head
-- The page is bounded in bytes too: it ends with the row whose sum reaches the limit.
select stored_ms, id, raw, found
from (
  select stored_ms, id, raw, count(*) over () as found,
    sum(octet_length(raw)) over (
      order by stored_ms {direction}, id {direction} rows unbounded preceding
    ) - octet_length(raw) as bytes_before
  from (
    select s.stored_ms, s.id, s.raw

-- name: search_from_statements
    from ingest.statement as s
    where s.tenant = :tenant

-- name: search_from_agent
    from ingest.statement_agent as a
    join ingest.statement as s
      on s.tenant = a.tenant and s.stored_ms = a.stored_ms and s.id = a.id
    where a.tenant = :tenant and a.agent = :agent

-- name: search_verb
      and s.verb = :verb

-- name: search_activity
      and s.activity = :activity

-- name: search_registration
      and s.registration = :registration

-- name: search_at_most
      and {driver}.stored_ms <= :at_most

-- name: search_since
      and {driver}.stored_ms > :since

-- name: search_after_ascending
      and ({driver}.stored_ms, {driver}.id) > (:cursor_stored, :cursor_id)

-- name: search_after_descending
      and ({driver}.stored_ms, {driver}.id) < (:cursor_stored, :cursor_id)

-- name: search_tail
      and not exists (
        select from ingest.void as v
        where v.tenant = s.tenant and v.target = s.id and v.counts
      )
    order by {driver}.stored_ms {direction}, {driver}.id {direction}
    limit :rows
  ) as page
) as measured
where bytes_before < :bytes
order by stored_ms {direction}, id {direction}
limit :page
