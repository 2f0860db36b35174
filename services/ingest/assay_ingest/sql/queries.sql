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

-- name: find_voids
-- Who voids a statement, each once: rules of the same sender need no second look.
select distinct source, learner_controlled, may_void
from ingest.void
where tenant = $1 and target = $2

-- name: find_definitions
select iri, definition::text as definition
from ingest.activity
where tenant = $1 and activity = any($2::uuid[])

-- name: read_applied
select partition, next_offset, stored_ms
from ingest.applied
where projection = 'store' and topic = $1

-- name: count_quarantine
select count(*) from ingest.quarantine

-- name: begin_batch
-- Voids are judged by looking at their target, and so are references of any kind. While a batch
-- with references runs, no other batch does, so that a reference and its target, arriving at two
-- consumers at once, cannot miss each other.
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
  old.stored_ms, old.body_hash,
  (select true from ingest.statement_ref as r where r.tenant = k.tenant and r.target = k.id limit 1)
    is not null

-- name: find_holders
select k.tenant, k.id, k.append_ms, k.partition, k.record_offset, k.record_index, k.body_hash
from unnest($1::text[], $2::uuid[]) as t (tenant, id)
join ingest.statement_key as k on k.tenant = t.tenant and k.id = t.id

-- name: insert_statements
insert into ingest.statement
  (tenant, stored_ms, id, source, client, version, verb, actor, activity, registration, timestamp,
   voids, raw, authority)
select n.tenant, n.stored_ms, n.id, n.source, n.client, n.version, n.verb, n.actor, n.activity,
  n.registration, n.timestamp, n.voids, n.raw, n.authority
from unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[],
  $8::uuid[], $9::uuid[], $10::uuid[], $11::timestamptz[], $12::uuid[], $13::bytea[], $14::uuid[])
  as n (tenant, stored_ms, id, source, client, version, verb, actor, activity, registration,
    timestamp, voids, raw, authority)

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

-- name: insert_related
insert into ingest.statement_related as r (tenant, kind, term, stored_ms, first, ids)
select n.tenant, $1::text::"char", n.term, n.stored_ms, n.ids[1], n.ids
from (
  select u.tenant, u.term, u.stored_ms, u.ids::uuid[] as ids
  from unnest($2::text[], $3::uuid[], $4::bigint[], $5::text[]) as u (tenant, term, stored_ms, ids)
) as n
on conflict (tenant, kind, term, stored_ms, first) do update
set ids = array(select unnest(r.ids) union select unnest(excluded.ids) order by 1)

-- name: delete_related
-- Rows that become empty stay as they are: nothing finds them, and a statement rarely leaves.
update ingest.statement_related as r
set ids = array(
  select i.id from unnest(r.ids) as i (id)
  where i.id <> all (
    select m.id from unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::uuid[])
      as m (tenant, kind, term, stored_ms, id)
    where m.tenant = r.tenant and m.kind::"char" = r.kind and m.term = r.term
      and m.stored_ms = r.stored_ms
  )
)
from (
  select distinct d.tenant, d.kind::"char" as kind, d.term, d.stored_ms
  from unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::uuid[])
    as d (tenant, kind, term, stored_ms, id)
) as n
where r.tenant = n.tenant and r.kind = n.kind and r.term = n.term and r.stored_ms = n.stored_ms

-- name: insert_attachments
insert into ingest.statement_attachment (tenant, sha2, stored_ms, id)
select n.tenant, n.sha2, n.stored_ms, n.id
from unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[]) as n (tenant, sha2, stored_ms, id)
on conflict do nothing

-- name: delete_attachments
delete from ingest.statement_attachment as a
using unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[]) as n (tenant, sha2, stored_ms, id)
where a.tenant = n.tenant and a.sha2 = n.sha2 and a.stored_ms = n.stored_ms and a.id = n.id

-- name: insert_refs
insert into ingest.statement_ref (tenant, referrer, target)
select n.tenant, n.referrer, n.target
from unnest($1::text[], $2::uuid[], $3::uuid[]) as n (tenant, referrer, target)
on conflict do nothing

-- name: delete_refs
delete from ingest.statement_ref as r
using unnest($1::text[], $2::uuid[]) as n (tenant, id)
where r.tenant = n.tenant and r.referrer = n.id

-- name: find_referrers
-- Statements that lead to one of the given ones in at most $3 steps.
with recursive up (tenant, id, depth) as (
  select r.tenant, r.referrer, 1
  from unnest($1::text[], $2::uuid[]) as n (tenant, id)
  join ingest.statement_ref as r on r.tenant = n.tenant and r.target = n.id
  union
  select r.tenant, r.referrer, up.depth + 1
  from up join ingest.statement_ref as r on r.tenant = up.tenant and r.target = up.id
  where up.depth < $3::int
)
select distinct up.tenant, up.id from up

-- name: find_chains
-- What each of the given statements leads to in at most $3 steps; a circle ends where it closes.
with recursive down (tenant, id, via, path) as (
  select n.tenant, n.id, n.id, array[n.id] from unnest($1::text[], $2::uuid[]) as n (tenant, id)
  union all
  select d.tenant, d.id, r.target, d.path || r.target
  from down as d
  join ingest.statement_ref as r on r.tenant = d.tenant and r.referrer = d.via
  where cardinality(d.path) <= $3::int and r.target <> all (d.path)
)
select d.tenant, k.stored_ms, d.id, v.stored_ms as via_stored_ms, d.via
from down as d
join ingest.statement_key as k on k.tenant = d.tenant and k.id = d.id
join ingest.statement_key as v on v.tenant = d.tenant and v.id = d.via
where d.via <> d.id

-- name: find_raws
select s.tenant, s.id, s.raw
from unnest($1::text[], $2::bigint[], $3::uuid[]) as n (tenant, stored_ms, id)
join ingest.statement as s
  on s.tenant = n.tenant and s.stored_ms = n.stored_ms and s.id = n.id

-- name: delete_via
delete from ingest.statement_via as v
using unnest($1::text[], $2::uuid[]) as n (tenant, id)
where v.tenant = n.tenant and v.id = n.id

-- name: insert_via
insert into ingest.statement_via (tenant, kind, term, stored_ms, id, via_stored_ms, via)
select n.tenant, n.kind::"char", n.term, n.stored_ms, n.id, n.via_stored_ms, n.via
from unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::uuid[], $6::bigint[], $7::uuid[])
  as n (tenant, kind, term, stored_ms, id, via_stored_ms, via)

-- name: lock_activities
-- Whoever states something new of an activity holds its row until the end of the transaction.
insert into ingest.activity as a (tenant, activity, iri, definition)
select n.tenant, n.activity, n.iri, '{}'
from unnest($1::text[], $2::uuid[], $3::text[]) as n (tenant, activity, iri)
on conflict (tenant, activity) do update set iri = excluded.iri

-- name: put_definitions
-- The last minute in which it was stated counts, and in that the first statement that did.
insert into ingest.activity_definition as d (tenant, activity, hash, stored_ms, id, definition)
select n.tenant, n.activity, n.hash, n.stored_ms, n.id, n.definition::json
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[])
  as n (tenant, activity, hash, stored_ms, id, definition)
on conflict (tenant, activity, hash) do update
set stored_ms = excluded.stored_ms, id = excluded.id
where excluded.stored_ms / 60000 > d.stored_ms / 60000
  or (excluded.stored_ms / 60000 = d.stored_ms / 60000
    and (excluded.stored_ms, excluded.id) < (d.stored_ms, d.id))

-- name: trim_definitions
-- The oldest beyond the number $3 go.
delete from ingest.activity_definition as d
using (
  select e.tenant, e.activity, e.hash,
    row_number() over (partition by e.tenant, e.activity order by e.stored_ms desc, e.id desc,
      e.hash desc) as place
  from unnest($1::text[], $2::uuid[]) as n (tenant, activity)
  join ingest.activity_definition as e on e.tenant = n.tenant and e.activity = n.activity
) as o
where d.tenant = o.tenant and d.activity = o.activity and d.hash = o.hash and o.place > $3::int

-- name: stated_definitions
select d.tenant, d.activity, d.definition::text as definition
from unnest($1::text[], $2::uuid[]) as n (tenant, activity)
join ingest.activity_definition as d on d.tenant = n.tenant and d.activity = n.activity
order by d.tenant, d.activity, d.stored_ms, d.id, d.hash

-- name: put_activities
update ingest.activity as a
set definition = n.definition::json
from unnest($1::text[], $2::uuid[], $3::text[]) as n (tenant, activity, definition)
where a.tenant = n.tenant and a.activity = n.activity and a.definition::text <> n.definition

-- name: put_names
insert into ingest.agent_name as a (tenant, agent, name_hash, name, stored_ms, id)
select n.tenant, n.agent, n.name_hash, n.name, n.stored_ms, n.id
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::uuid[])
  as n (tenant, agent, name_hash, name, stored_ms, id)
on conflict (tenant, agent, name_hash) do update
set stored_ms = excluded.stored_ms, id = excluded.id
where (excluded.stored_ms, excluded.id) < (a.stored_ms, a.id)

-- name: trim_names
-- Of more than $3 names the first stay.
delete from ingest.agent_name as a
using (
  select e.tenant, e.agent, e.name_hash,
    row_number() over (partition by e.tenant, e.agent order by e.stored_ms, e.id, e.name_hash)
      as place
  from (select distinct tenant, agent from unnest($1::text[], $2::uuid[]) as u (tenant, agent)) as n
  join ingest.agent_name as e on e.tenant = n.tenant and e.agent = n.agent
) as o
where a.tenant = o.tenant and a.agent = o.agent and a.name_hash = o.name_hash and o.place > $3::int

-- name: unindexed_statements
-- From before the search knew authorities, references and what is related; for the owner.
select s.tenant, s.id, s.stored_ms, s.source, s.client, s.version, s.raw, k.append_ms, k.partition,
  k.record_offset, k.record_index, k.body_hash
from (
  select u.tenant, u.stored_ms, u.id, u.source, u.client, u.version, u.raw
  from ingest.statement as u
  where u.authority is null
  order by u.tenant, u.stored_ms, u.id
  limit $1
) as s
join ingest.statement_key as k on k.tenant = s.tenant and k.id = s.id
order by s.tenant, s.stored_ms, s.id

-- name: set_authorities
update ingest.statement as s
set authority = n.authority
from unnest($1::text[], $2::bigint[], $3::uuid[], $4::uuid[])
  as n (tenant, stored_ms, id, authority)
where s.tenant = n.tenant and s.stored_ms = n.stored_ms and s.id = n.id

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

-- name: list_agent_names
select name
from ingest.agent_name
where tenant = $1 and agent = $2
order by stored_ms, name_hash
limit $3

-- name: find_document
select content_type, body, mergeable, updated_at
from ingest.document
where tenant = $1 and place = $2 and document = $3

-- name: list_documents
-- A name may stand under several registrations.
select name, max(updated_at) as updated_at
from ingest.document
where tenant = $1 and place = $2 and ($3::uuid is null or registration = $3)
  and ($4::timestamptz is null or updated_at > $4)
group by name
order by name collate "C"
limit $5

-- name: is_place_full
select count(*) >= $3
from (
  select from ingest.document where tenant = $1 and place = $2 limit $3
) as held

-- name: create_document
insert into ingest.document
  (tenant, place, document, kind, activity, agent, registration, name, content_type, body,
   mergeable, updated_at)
select $1, $2, $3, $4, $5, $6, $7::uuid, $8, $9, $10, $11, clock_timestamp()
where (
  select count(*)
  from (select from ingest.document where tenant = $1 and place = $2 limit $12) as held
) < $12
on conflict (tenant, place, document) do nothing
returning true

-- name: put_document
insert into ingest.document
  (tenant, place, document, kind, activity, agent, registration, name, content_type, body,
   mergeable, updated_at)
select $1, $2, $3, $4, $5, $6, $7::uuid, $8, $9, $10, $11, clock_timestamp()
where exists (
  select from ingest.document where tenant = $1 and place = $2 and document = $3
) or (
  select count(*)
  from (select from ingest.document where tenant = $1 and place = $2 limit $12) as held
) < $12
on conflict (tenant, place, document) do update
set content_type = excluded.content_type, body = excluded.body, mergeable = excluded.mergeable,
  updated_at = clock_timestamp()
returning true

-- name: merge_document
-- The row is locked before its content is read, so each of many merges sees those before it. The
-- merge is made twice only when the two texts together are over the limit.
insert into ingest.document as d
  (tenant, place, document, kind, activity, agent, registration, name, content_type, body,
   mergeable, updated_at)
select $1, $2, $3, $4, $5, $6, $7::uuid, $8, $9, $10, $11, clock_timestamp()
where exists (
  select from ingest.document where tenant = $1 and place = $2 and document = $3
) or (
  select count(*)
  from (select from ingest.document where tenant = $1 and place = $2 limit $12) as held
) < $12
on conflict (tenant, place, document) do update
set body = ingest.merged_document(d.body, excluded.body), updated_at = clock_timestamp()
where case
  when not (d.mergeable and excluded.mergeable) then false
  when octet_length(d.body) + octet_length(excluded.body) <= $13 then true
  else octet_length(ingest.merged_document(d.body, excluded.body)) <= $13
end
returning true

-- name: replace_document
update ingest.document
set content_type = $5, body = $6, mergeable = $7, updated_at = clock_timestamp()
where tenant = $1 and place = $2 and document = $3
  and ($4::bytea is null or sha256(body) = $4)
returning true

-- name: merge_into_document
update ingest.document
set body = ingest.merged_document(body, $5::bytea), updated_at = clock_timestamp()
where tenant = $1 and place = $2 and document = $3
  and ($4::bytea is null or sha256(body) = $4)
  and case
    when not mergeable then false
    when octet_length(body) + octet_length($5::bytea) <= $6 then true
    else octet_length(ingest.merged_document(body, $5)) <= $6
  end
returning true

-- name: delete_document
delete from ingest.document
where tenant = $1 and place = $2 and document = $3
  and ($4::bytea is null or sha256(body) = $4)
returning true

-- name: clear_documents
delete from ingest.document
where tenant = $1 and place = $2 and ($3::uuid is null or registration = $3)

-- name: announce_contents
insert into ingest.attachment (tenant, sha2, touched_at)
select $1, sha2, clock_timestamp() from unnest($2::text[]) as given (sha2)
on conflict (tenant, sha2) do update set touched_at = excluded.touched_at

-- name: find_signing_keys
select key_id, thumbprint, public_key, agent, valid_from, valid_to, revoked_at
from ingest.signing_key
where tenant = $1 and key_id = any ($2::text[])
union
select key_id, thumbprint, public_key, agent, valid_from, valid_to, revoked_at
from ingest.signing_key
where tenant = $1 and thumbprint = any ($2::text[])
union
(
  select key_id, thumbprint, public_key, agent, valid_from, valid_to, revoked_at
  from ingest.signing_key
  where tenant = $1 and agent = any ($3::text[])
  order by key_id
  limit $4
)

-- name: put_signing_key
insert into ingest.signing_key
  (tenant, key_id, thumbprint, public_key, agent, valid_from, valid_to, created_by)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict do nothing
returning key_id

-- name: list_signing_keys
select key_id, thumbprint, public_key, agent, valid_from, valid_to, revoked_at
from ingest.signing_key
where tenant = $1
order by key_id
limit $2

-- name: revoke_signing_key
update ingest.signing_key
set revoked_at = coalesce(revoked_at, clock_timestamp()), revoked_by = coalesce(revoked_by, $3)
where tenant = $1 and key_id = $2
returning revoked_at

-- name: collectable_since
-- The time before which the store has applied everything; null while it has not applied anything
-- of some partition, and so nobody knows.
select case when count(*) >= $2 then min(stored_ms) end
from ingest.applied
where projection = $1 and topic = $3

-- name: list_orphans
select a.tenant, a.sha2
from ingest.attachment as a
where (a.tenant, a.sha2) > ($1, $2)
  and a.touched_at < $3
  and not exists (
    select from ingest.statement_attachment as s
    where s.tenant = a.tenant and s.sha2 = a.sha2
  )
order by a.tenant, a.sha2
limit $4

-- name: lock_orphan
-- The row lock holds up whoever is about to announce this content, until it is gone.
select sha2
from ingest.attachment as a
where a.tenant = $1
  and a.sha2 = $2
  and a.touched_at < $3
  and not exists (
    select from ingest.statement_attachment as s
    where s.tenant = a.tenant and s.sha2 = a.sha2
  )
for update of a skip locked

-- name: forget_content
delete from ingest.attachment where tenant = $1 and sha2 = $2

-- name: insert_rejected
insert into ingest.rejected
  (tenant, source, topic, topic_id, partition, record_offset, record_index, statement_id, reason,
   detail, body, cluster_id, xapi_version)
select n.tenant, n.source, n.topic, n.topic_id, n.partition, n.record_offset, n.record_index,
  n.statement_id, n.reason, n.detail::jsonb, n.body, n.cluster_id, n.xapi_version
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::int[],
  $8::uuid[], $9::text[], $10::text[], $11::bytea[], $12::text[], $13::text[])
  as n (tenant, source, topic, topic_id, partition, record_offset, record_index, statement_id,
    reason, detail, body, cluster_id, xapi_version)
on conflict do nothing

-- name: find_refusals_at
select r.topic, r.topic_id, r.partition, r.record_offset, r.record_index
from ingest.rejected as r
where r.tenant = $1 and r.topic = $2 and r.partition = $3 and r.record_offset = $4
  and r.record_index = $5
order by r.topic_id
limit 100

-- name: list_refusals_to_resend
select r.topic, r.topic_id, r.partition, r.record_offset, r.record_index
from ingest.rejected as r
where r.tenant = $1 and r.resent_at is null
  and ($2::text is null or r.source = $2)
  and ($3::text is null or r.reason = $3)
  and ($4::timestamptz is null or r.at > $4)
  and ($5::timestamptz is null or r.at <= $5)
  and (r.topic, r.topic_id, r.partition, r.record_offset, r.record_index)
    > ($6::text, $7::text, $8::int, $9::bigint, $10::int)
order by r.topic, r.topic_id, r.partition, r.record_offset, r.record_index
limit $11

-- name: lock_refusal
select r.source, r.cluster_id, r.xapi_version, r.body, r.resent_at
from ingest.rejected as r
where r.tenant = $1 and r.topic = $2 and r.topic_id = $3 and r.partition = $4
  and r.record_offset = $5 and r.record_index = $6
for update

-- name: mark_resent
update ingest.rejected as r
set resent_at = clock_timestamp(), resent_mended = $7
where r.tenant = $1 and r.topic = $2 and r.topic_id = $3 and r.partition = $4
  and r.record_offset = $5 and r.record_index = $6

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
  scopes = excluded.scopes, revoked_at = null, previous_secret_hash = null,
  previous_secret_until = null

-- name: add_audit
insert into ingest.client_audit (tenant, actor, action, client, detail)
values ($1, $2, $3, $4, $5::text::jsonb)

-- name: list_audit
-- The newest first, before an entry of an earlier page where there is one.
select tenant, entry, at, actor, action, client, detail::text as detail
from ingest.client_audit
where tenant = $1 and ($2::text is null or client = $2) and ($3::bigint is null or entry < $3)
order by entry desc
limit $4

-- name: add_usage
-- Adds what was pending, and answers what is known of the day then.
insert into ingest.client_usage as u (tenant, client, day, requests, statements)
select n.tenant, n.client, $1::date, n.requests, n.statements
from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])
  as n (tenant, client, requests, statements)
order by n.tenant, n.client
on conflict (tenant, client, day) do update
set requests = u.requests + excluded.requests, statements = u.statements + excluded.statements
returning u.client, u.statements

-- name: list_usage
select client, requests, statements
from ingest.client_usage
where tenant = $1 and day = $2
order by client

-- name: has_tenant
select exists (select from ingest.tenant where tenant = $1)

-- name: list_rejected
-- What the rules refused, what lost an id to an earlier copy, and voids without authority.
select r.at, r.tenant, r.source, r.reason, r.topic, r.partition, r.record_offset, r.record_index,
  r.statement_id, r.resent_at
from ingest.rejected as r
where r.tenant = $1
union all
select c.at, c.tenant, c.source, 'id_conflict', $3::text, c.partition, c.record_offset,
  c.record_index, c.id, null
from ingest.conflict as c
where c.tenant = $1
union all
select to_timestamp(v.stored_ms / 1000.0), v.tenant, v.source, v.reason, $3::text, k.partition,
  k.record_offset, k.record_index, v.voiding, null
from ingest.void as v
join ingest.statement_key as k on k.tenant = v.tenant and k.id = v.voiding
where v.tenant = $1 and v.reason = 'void_not_authorised'
order by 1 desc, 5, 6, 7, 8
limit $2

-- name: show_rejected
select r.at, r.tenant, r.source, r.reason, r.topic, r.partition, r.record_offset, r.record_index,
  r.statement_id, r.detail::text as detail, r.body, r.resent_at
from ingest.rejected as r
where r.tenant = $1 and r.topic = $2 and r.partition = $3 and r.record_offset = $4
  and r.record_index = $5
union all
select c.at, c.tenant, c.source, 'id_conflict', $2::text, c.partition, c.record_offset,
  c.record_index, c.id, '[]', c.raw, null
from ingest.conflict as c
where c.tenant = $1 and $2 = $6::text and c.partition = $3 and c.record_offset = $4
  and c.record_index = $5
union all
select to_timestamp(v.stored_ms / 1000.0), v.tenant, v.source, v.reason, $2::text, k.partition,
  k.record_offset, k.record_index, v.voiding, '[]', s.raw, null
from ingest.void as v
join ingest.statement_key as k on k.tenant = v.tenant and k.id = v.voiding
join ingest.statement as s
  on s.tenant = k.tenant and s.stored_ms = k.stored_ms and s.id = k.id
where v.tenant = $1 and v.reason = 'void_not_authorised' and $2 = $6::text and k.partition = $3
  and k.record_offset = $4 and k.record_index = $5
order by 1

-- name: search_page
-- The page is bounded in bytes too: `raw` is null behind the row whose sum reaches the limit.
select f.stored_ms, f.id, f.hit, f.last, case when f.bytes_before < :bytes then f.raw end as raw
from (
  select k.stored_ms, k.id, k.hit, k.last, w.raw,
    sum(octet_length(w.raw)) over (
      order by k.stored_ms {direction}, k.id {direction}, k.last rows unbounded preceding
    ) - octet_length(w.raw) as bytes_before
  from (
{found}
  ) as k
  join ingest.statement as w
    on w.tenant = :tenant and w.stored_ms = k.stored_ms and w.id = k.id
) as f
order by f.stored_ms {direction}, f.id {direction}, f.last

-- name: search_one_branch
select u.stored_ms, u.id, u.hit, u.last
from (
{branches}
) as u
order by u.stored_ms {direction}, u.id {direction}
limit :rows

-- name: search_branches
-- Several ways may lead to one statement. Where one way is cut (`last`) is kept apart.
select distinct on (u.stored_ms, u.id, u.last) u.stored_ms, u.id, u.hit, u.last
from (
{branches}
) as u
order by u.stored_ms {direction}, u.id {direction}, u.last, u.hit desc
limit :rows

-- name: search_branch
-- One stretch of an index, in order. Its last row is let through in any case, as a mark of how far
-- this way was looked at.
(
select d.stored_ms, d.id, coalesce({conditions}, false) as hit, d.last
from (
  select x.stored_ms, {id} as id{columns},
    row_number() over (order by x.stored_ms {direction}, {id} {direction}) = :scan as last
  from {table} as x{unnested}
  where x.tenant = :tenant{driver}
    and x.stored_ms <= :at_most{range}
  order by x.stored_ms {direction}, {id} {direction}
  limit :scan
) as d{joins}
where {conditions} or d.last
order by d.stored_ms {direction}, d.id {direction}
)

-- name: search_since
and x.stored_ms > :since

-- name: search_after_ascending
and x.stored_ms >= :cursor_stored and (x.stored_ms, {id}) > (:cursor_stored, :cursor_id)

-- name: search_after_descending
and x.stored_ms <= :cursor_stored and (x.stored_ms, {id}) < (:cursor_stored, :cursor_id)

-- name: search_join_via
left join ingest.statement as t
  on t.tenant = :tenant and t.stored_ms = d.via_stored_ms and t.id = d.via

-- name: search_not_voided
-- Selects of one value, here and below, are looked up row by row; `exists` might read all of them.
-- Below it is `is not null` that makes a miss false: behind null, what comes next is looked up too.
(select true from ingest.void as v
  where v.tenant = :tenant and v.target = d.id and v.counts limit 1) is null

-- name: search_has_own
-- Looked up in the index of this filter: that tells without the table what does not match.
(select true from ingest.statement as s
  where s.tenant = :tenant and s.{column} = :{term} and s.stored_ms = d.stored_ms and s.id = d.id
  limit 1) is not null

-- name: search_has_agent
(select true from ingest.statement_agent as a
  where a.tenant = :tenant and a.agent = :agent and a.stored_ms = d.stored_ms and a.id = d.id
  limit 1) is not null

-- name: search_has_related
(select true from ingest.statement_related as r
  where r.tenant = :tenant and r.kind = '{kind}' and r.term = :{term}
    and r.stored_ms = d.stored_ms and d.id = any (r.ids) limit 1) is not null

-- name: search_has_via
(select true from ingest.statement_via as r
  where r.tenant = :tenant and r.kind = '{kind}' and r.term = :{term}
    and r.stored_ms = d.stored_ms and r.id = d.id and r.via = d.via limit 1) is not null

-- name: list_forward_targets
select t.tenant, t.target, t.kind, t.url, t.api_user, t.own_source, t.sources, t.verbs,
  t.activity_prefixes
from ingest.forward_target as t
order by t.tenant, t.target

-- name: find_oldest_target
select min(t.created_at) from ingest.forward_target as t

-- name: begin_forward
insert into ingest.applied
  (projection, topic, partition, cluster_id, topic_id, next_offset, stored_ms)
select 'forward', $1, n.partition, $4, $5, n.next_offset, 0
from unnest($2::int[], $3::bigint[]) as n (partition, next_offset)
on conflict do nothing

-- name: forget_forward
delete from ingest.applied as a where a.projection = 'forward'

-- name: enqueue_forward
-- The limit is looked at once per batch, so it may be passed by one batch. A target that was taken
-- away meanwhile gets nothing.
with wanted as (
  select n.tenant, n.target, n.id, n.partition, n.record_offset, n.stored_ms, n.place
  from unnest($1::text[], $2::text[], $3::uuid[], $4::int[], $5::bigint[], $6::bigint[])
    with ordinality as n (tenant, target, id, partition, record_offset, stored_ms, place)
  join ingest.forward_target as t on t.tenant = n.tenant and t.target = n.target
),
full_ones as (
  select t.tenant, t.target
  from (select distinct w.tenant, w.target from wanted as w) as t
  cross join lateral (
    select count(*) as waiting
    from (
      select from ingest.forward_waiting as q
      where q.tenant = t.tenant and q.target = t.target
      limit $7::int
    ) as first_ones
  ) as q
  where q.waiting >= $7
),
queued as (
  insert into ingest.forward_waiting (tenant, target, id, partition, record_offset, stored_ms)
  select w.tenant, w.target, w.id, w.partition, w.record_offset, w.stored_ms
  from wanted as w
  where (w.tenant, w.target) not in (select f.tenant, f.target from full_ones as f)
  order by w.place
  on conflict do nothing
),
overflowed as (
  insert into ingest.forward_dead as d (tenant, target, id, reason, tries)
  select w.tenant, w.target, w.id, 'no room: too much waits for this target', 0
  from wanted as w
  where (w.tenant, w.target) in (select f.tenant, f.target from full_ones as f)
  on conflict do nothing
  returning d.id
)
select count(*) from overflowed

-- name: find_due_targets
select t.tenant, t.target
from ingest.forward_target as t
where t.next_at <= clock_timestamp()
  and (t.lease_until is null or t.lease_until < clock_timestamp())
  and exists (
    select from ingest.forward_waiting as q
    where q.tenant = t.tenant and q.target = t.target and q.stored_ms < (
      select min(f.stored_ms) from ingest.applied as f
      where f.projection = 'forward' and f.topic = $2
    )
  )
order by t.next_at
limit $1

-- name: lease_target
update ingest.forward_target as t
set lease_until = clock_timestamp() + make_interval(secs => $3)
where t.tenant = $1 and t.target = $2
  and (t.lease_until is null or t.lease_until < clock_timestamp())
returning t.target

-- name: renew_lease
update ingest.forward_target as t
set lease_until = clock_timestamp() + make_interval(secs => $3)
where t.tenant = $1 and t.target = $2

-- name: end_lease
update ingest.forward_target as t set lease_until = null where t.tenant = $1 and t.target = $2

-- name: list_forward_waiting
-- Only what every partition is read beyond: nothing that goes before it can still come. The key and
-- the store's position are of one moment: what the position has passed is there, or was
-- set aside by the store.
select q.id, a.next_offset > q.record_offset as applied, s.stored_ms, s.version, s.raw
from (
  select w.tenant, w.id, w.partition, w.record_offset, w.stored_ms, w.entry
  from ingest.forward_waiting as w
  where w.tenant = $1 and w.target = $2 and w.stored_ms < (
    select min(f.stored_ms) from ingest.applied as f
    where f.projection = 'forward' and f.topic = $4
  )
  order by w.stored_ms, w.entry
  limit $3
) as q
left join ingest.applied as a
  on a.projection = 'store' and a.topic = $4 and a.partition = q.partition
left join ingest.statement_key as k on k.tenant = q.tenant and k.id = q.id
left join ingest.statement as s
  on s.tenant = k.tenant and s.stored_ms = k.stored_ms and s.id = k.id
order by q.stored_ms, q.entry

-- name: settle_forward
with gone as (
  delete from ingest.forward_waiting as q
  where q.tenant = $1 and q.target = $2 and q.id = any($3::uuid[] || $4::uuid[])
  returning q.id, q.tries
)
insert into ingest.forward_dead as d (tenant, target, id, reason, tries)
select $1, $2, n.id, n.reason, g.tries + 1
from unnest($4::uuid[], $5::text[]) as n (id, reason)
join gone as g on g.id = n.id
on conflict (tenant, target, id) do update
set reason = excluded.reason, tries = excluded.tries, at = clock_timestamp()

-- name: free_target
update ingest.forward_target as t
set failures = 0, last_error = null, last_success_at = clock_timestamp(),
  next_at = clock_timestamp(), lease_until = null
where t.tenant = $1 and t.target = $2

-- name: fail_target
with left_alone as (
  update ingest.forward_target as t
  set failures = t.failures + 1, last_error = $4, lease_until = null,
    next_at = clock_timestamp() + make_interval(secs => $5)
  where t.tenant = $1 and t.target = $2
),
tried as (
  update ingest.forward_waiting as q
  set tries = q.tries + 1
  where q.tenant = $1 and q.target = $2 and q.id = any($3::uuid[]) and q.tries + 1 < $6::int
),
gone as (
  delete from ingest.forward_waiting as q
  where q.tenant = $1 and q.target = $2 and q.id = any($3::uuid[]) and q.tries + 1 >= $6
  returning q.id, q.tries
),
died as (
  insert into ingest.forward_dead as d (tenant, target, id, reason, tries)
  select $1, $2, g.id, $4, g.tries + 1 from gone as g
  on conflict (tenant, target, id) do update
  set reason = excluded.reason, tries = excluded.tries, at = clock_timestamp()
  returning d.id
)
select count(*) from died

-- name: count_failures
select t.failures from ingest.forward_target as t where t.tenant = $1 and t.target = $2

-- name: count_forward
select (select count(*) from ingest.forward_waiting) as waiting,
  (select count(*) from ingest.forward_dead) as dead

-- name: put_forward_target
insert into ingest.forward_target
  (tenant, target, kind, url, api_user, own_source, sources, verbs, activity_prefixes)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (tenant, target) do update
set kind = excluded.kind, url = excluded.url, api_user = excluded.api_user,
  own_source = excluded.own_source, sources = excluded.sources, verbs = excluded.verbs,
  activity_prefixes = excluded.activity_prefixes, next_at = clock_timestamp()

-- name: delete_forward_target
delete from ingest.forward_target as t where t.tenant = $1 and t.target = $2
returning t.target

-- name: show_forward_targets
select t.target, t.kind, t.url, t.failures, t.next_at, t.last_error, t.last_success_at,
  (
    select count(*) from ingest.forward_waiting as q
    where q.tenant = t.tenant and q.target = t.target
  ) as waiting,
  (
    select count(*) from ingest.forward_dead as d
    where d.tenant = t.tenant and d.target = t.target
  ) as dead
from ingest.forward_target as t
where t.tenant = $1
order by t.target

-- name: list_forward_dead
select d.id, d.tries, d.at, d.reason
from ingest.forward_dead as d
where d.tenant = $1 and d.target = $2
order by d.at desc, d.id
limit $3

-- name: retry_forward_dead
with again as (
  delete from ingest.forward_dead as d
  where d.tenant = $1 and d.target = $2
  returning d.id, d.at
)
insert into ingest.forward_waiting (tenant, target, id, partition, record_offset, stored_ms)
select $1, $2, a.id, 0, -1, -1 from again as a order by a.at, a.id
on conflict do nothing
