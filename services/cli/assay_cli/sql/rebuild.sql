-- What a rebuild reads to send statements again whose records are deleted. $1, $2: partitions, and
-- the offset below which the log holds nothing any more.

-- name: unknown_rights
-- Copies that the store holds and the aggregator has no fact of.
with before as (
  select * from unnest($1::int[], $2::bigint[]) as b (partition, first)
), copy as (
  select k.tenant, k.id, k.body_hash
  from ingest.statement_key as k
  join before as b on b.partition = k.partition and k.record_offset < b.first
  union all
  select c.tenant, c.id, c.body_hash
  from ingest.conflict as c
  join before as b on b.partition = c.partition and c.record_offset < b.first
)
select count(*)
from copy
left join aggregator.statement_fact as f
  on f.tenant = copy.tenant and f.id = copy.id and f.body_hash = copy.body_hash
left join aggregator.fact_conflict as o
  on o.tenant = copy.tenant and o.id = copy.id and o.body_hash = copy.body_hash
where f.id is null and o.id is null

-- name: copies_before
-- Each copy's fact is looked up by its key: that stays quick while tables that were just filled
-- have no statistics yet.
with before as materialized (
  select * from unnest($1::int[], $2::bigint[]) as b (partition, first)
), copy as materialized (
  select k.tenant, k.id, k.body_hash, s.client, s.version, s.raw
  from ingest.statement_key as k
  join before as b on b.partition = k.partition and k.record_offset < b.first
  join ingest.statement as s
    on s.tenant = k.tenant and s.stored_ms = k.stored_ms and s.id = k.id
  union all
  select c.tenant, c.id, c.body_hash, c.client, '', c.raw
  from ingest.conflict as c
  join before as b on b.partition = c.partition and c.record_offset < b.first
)
select copy.tenant, copy.id, copy.body_hash, copy.client, copy.version, copy.raw, fact.append_ms,
  fact.partition, fact.record_offset, fact.record_index, fact.stored_ms, fact.fact
from copy
cross join lateral (
  select f.append_ms, f.partition, f.record_offset, f.record_index, f.stored_ms, f.fact
  from aggregator.statement_fact as f
  where f.tenant = copy.tenant and f.id = copy.id and f.body_hash = copy.body_hash
  union all
  select o.append_ms, o.partition, o.record_offset, o.record_index, o.stored_ms, o.fact
  from aggregator.fact_conflict as o
  where o.tenant = copy.tenant and o.id = copy.id and o.body_hash = copy.body_hash
) as fact
join before as b on b.partition = fact.partition and fact.record_offset < b.first
order by fact.partition, fact.record_offset, fact.stored_ms, fact.record_index
