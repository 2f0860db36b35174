-- The queries of `assay check`, over the schemas of all services. Each is one statement, so it sees
-- one moment. A verdict that begins with "ok" is as the laws want it; any other names what is wrong.

-- name: positions
select 'store' as projection, partition, next_offset, stored_ms, cluster_id, topic_id
from ingest.applied where projection = 'store' and topic = $1
union all
select 'aggregator', partition, next_offset, stored_ms, cluster_id, topic_id
from aggregator.applied where projection = 'aggregator' and topic = $1

-- name: compare_store
-- Copies from the log against what the store made of them.
with compared as (
  select n.id, n.partition, n.record_offset, n.record_index,
    case
      when k.id is null and q.partition is not null then 'in quarantine, not in the store'
      when k.id is null then 'not in the store'
      when k.place > n.place then 'a later copy is the first of the store'
      when k.place < n.place and k.body_hash = n.body_hash then 'ok: repeated'
      when k.place < n.place and c.id is null and q.partition is null
        then 'a copy that differs is not kept as a conflict'
      when k.place < n.place then 'ok: conflict'
      when k.body_hash <> n.body_hash then 'another hash in the store'
      when k.stored_ms <> n.stored_ms and n.stored_known then 'another stored in the store'
      when s.id is null then 'a key without its statement'
      when sha256(s.raw) <> n.digest then 'other bytes in the store'
      else 'ok: first'
    end as verdict
  from (
    select u.tenant, u.id, u.partition, u.record_offset, u.record_index, u.stored_ms, u.body_hash,
      u.digest, u.stored_known,
      row(u.append_ms, u.partition, u.record_offset, u.record_index) as place
    from unnest($1::text[], $2::uuid[], $3::bigint[], $4::int[], $5::bigint[], $6::int[],
      $7::bigint[], $8::bytea[], $9::bytea[], $10::boolean[])
      as u (tenant, id, append_ms, partition, record_offset, record_index, stored_ms, body_hash,
        digest, stored_known)
  ) as n
  left join lateral (
    select t.id, t.stored_ms, t.body_hash,
      row(t.append_ms, t.partition, t.record_offset, t.record_index) as place
    from ingest.statement_key as t where t.tenant = n.tenant and t.id = n.id
  ) as k on true
  left join ingest.statement as s
    on s.tenant = n.tenant and s.stored_ms = k.stored_ms and s.id = k.id
  left join ingest.conflict as c
    on c.tenant = n.tenant and c.id = n.id and c.body_hash = n.body_hash
  left join ingest.quarantine as q
    on q.projection = 'store' and q.topic = $11 and q.partition = n.partition
    and q.record_offset = n.record_offset
)
select verdict, count(*) as copies,
  (array_agg(id || ' at ' || partition || '/' || record_offset || '/' || record_index))[1:5]
    as examples
from compared group by verdict

-- name: compare_facts
-- Copies from the log against the facts that the aggregator keeps of them.
with compared as (
  select n.id, n.partition, n.record_offset, n.record_index,
    case
      when f.id is null and q.partition is not null then 'in quarantine, no fact'
      when f.id is null then 'no fact in the aggregator'
      when f.place > n.place then 'a later copy is the first of the aggregator'
      when f.place < n.place and f.body_hash = n.body_hash then 'ok: repeated'
      when f.place < n.place and c.id is null and q.partition is null
        then 'a copy that differs is not kept as a conflict of the aggregator'
      when f.place < n.place then 'ok: conflict'
      when f.body_hash <> n.body_hash then 'another hash in the aggregator'
      when f.stored_ms > n.stored_ms and n.stored_known then 'another stored in the aggregator'
      -- An equal copy in another partition may have been stored earlier, and then says so.
      when f.stored_ms < n.stored_ms or not n.stored_known then 'ok: first, stored earlier'
      when sha256(f.fact) <> n.digest then 'another fact than the statement gives'
      else 'ok: first'
    end as verdict
  from (
    select u.tenant, u.id, u.partition, u.record_offset, u.record_index, u.stored_ms, u.body_hash,
      u.digest, u.stored_known,
      row(u.append_ms, u.partition, u.record_offset, u.record_index) as place
    from unnest($1::text[], $2::uuid[], $3::bigint[], $4::int[], $5::bigint[], $6::int[],
      $7::bigint[], $8::bytea[], $9::bytea[], $10::boolean[])
      as u (tenant, id, append_ms, partition, record_offset, record_index, stored_ms, body_hash,
        digest, stored_known)
  ) as n
  left join lateral (
    select t.id, t.stored_ms, t.body_hash, t.fact,
      row(t.append_ms, t.partition, t.record_offset, t.record_index) as place
    from aggregator.statement_fact as t where t.tenant = n.tenant and t.id = n.id
  ) as f on true
  left join aggregator.fact_conflict as c
    on c.tenant = n.tenant and c.id = n.id and c.body_hash = n.body_hash
  left join aggregator.quarantine as q
    on q.projection = 'aggregator' and q.topic = $11 and q.partition = n.partition
    and q.record_offset = n.record_offset
)
select verdict, count(*) as copies,
  (array_agg(id || ' at ' || partition || '/' || record_offset || '/' || record_index))[1:5]
    as examples
from compared group by verdict

-- name: count_firsts
-- First copies that each projection says stand within the part of the log that was read.
select
  (select count(*) from ingest.statement_key as k
   join unnest($1::int[], $2::bigint[], $3::bigint[]) as l (partition, low, high)
     on k.partition = l.partition
   where k.record_offset >= l.low and k.record_offset < l.high) as store,
  (select count(*) from aggregator.statement_fact as f
   join unnest($1::int[], $2::bigint[], $3::bigint[]) as l (partition, low, high)
     on f.partition = l.partition
   where f.record_offset >= l.low and f.record_offset < l.high) as aggregator

-- name: keys_without_statement
select k.id::text as what
from ingest.statement_key as k
where not exists (
  select from ingest.statement as s
  where s.tenant = k.tenant and s.stored_ms = k.stored_ms and s.id = k.id)
limit $1

-- name: statements_without_key
-- With this, and its opposite above, each id has exactly one row in the partitions.
select s.id || ' stored ' || s.stored_ms as what
from ingest.statement as s
left join ingest.statement_key as k on k.tenant = s.tenant and k.id = s.id
where k.stored_ms is distinct from s.stored_ms
limit $1

-- name: agents_without_statement
select distinct a.id::text as what
from ingest.statement_agent as a
where not exists (
  select from ingest.statement as s
  where s.tenant = a.tenant and s.stored_ms = a.stored_ms and s.id = a.id)
limit $1

-- name: projections_differ
-- Which copy is first, and when it was stored, below the watermark.
select coalesce(k.id, f.id)::text as what
from (
  select k.* from ingest.statement_key as k
  join unnest($1::int[], $2::bigint[]) as l (partition, high)
    on k.partition = l.partition and k.record_offset < l.high
) as k
full join (
  select f.* from aggregator.statement_fact as f
  join unnest($1::int[], $2::bigint[]) as l (partition, high)
    on f.partition = l.partition and f.record_offset < l.high
) as f on f.tenant = k.tenant and f.id = k.id
where k.body_hash is distinct from f.body_hash
  or k.stored_ms is distinct from f.stored_ms
  or (k.append_ms, k.partition, k.record_offset, k.record_index)
    is distinct from (f.append_ms, f.partition, f.record_offset, f.record_index)
limit $3

-- name: count_identities
select (select count(*) from ingest.statement_key) as keys,
  (select count(*) from ingest.statement) as statements,
  (select count(*) from aggregator.statement_fact) as facts,
  (select count(*) from ingest.conflict) as conflicts

-- name: input_lost
-- What the mover has committed and is neither in the log's projection nor among the refusals.
select n.topic || '/' || n.partition || '/' || n.record_offset || '/' || n.record_index as what
from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::int[], $7::uuid[],
  $8::bytea[])
  as n (tenant, topic, topic_id, partition, record_offset, record_index, id, body_hash)
where not exists (
    select from ingest.rejected as r
    where r.tenant = n.tenant and r.topic = n.topic and r.topic_id = n.topic_id
      and r.partition = n.partition and r.record_offset = n.record_offset
      and r.record_index in (n.record_index, -1))
  and not exists (
    select from ingest.statement_key as k
    where k.tenant = n.tenant and k.id = n.id and k.body_hash = n.body_hash)
  and not exists (
    select from ingest.conflict as c
    where c.tenant = n.tenant and c.id = n.id and c.body_hash = n.body_hash)
limit $9

-- name: acknowledged_lost
-- Ids that a client was told are kept, and that a projection does not hold.
select n.id || case when k.found then ' not in the aggregator' else ' not in the store' end as what
from (
  select u.id,
    exists (select from ingest.statement_key as k where k.id = u.id) as found,
    exists (select from aggregator.statement_fact as f where f.id = u.id) as fact
  from unnest($1::uuid[]) as u (id)
) as n
cross join lateral (select n.found) as k (found)
where not (n.found and n.fact)
limit $2

-- name: quarantined
select 'store ' || topic || '/' || partition || '/' || record_offset || ': ' || reason as what
from ingest.quarantine
union all
select 'aggregator ' || topic || '/' || partition || '/' || record_offset || ': ' || reason
from aggregator.quarantine
order by 1
limit $1

-- name: evaluation_failures
select tenant || ' ' || person || ' ' || competency || ': ' || error as what
from aggregator.evaluation_failure
order by 1
limit $1

-- name: sequences_wrong
-- A sequence that is given twice or left out, or that the standing decision does not know.
select g.person || ' ' || g.competency as what
from (
  select d.tenant, d.person, d.competency, count(d.sequence) as told,
    count(distinct d.sequence) as different, coalesce(max(d.sequence), 0) as last
  from aggregator.decision as d
  group by d.tenant, d.person, d.competency
) as g
left join aggregator.decision_current as c
  on c.tenant = g.tenant and c.person = g.person and c.competency = g.competency
where g.told <> g.different or g.told <> g.last or c.sequence is distinct from g.last
limit $1

-- name: make_events
create temporary table if not exists check_event (
  tenant text, person uuid, competency text, sequence bigint, event_id uuid, decision uuid,
  primary key (tenant, person, competency, sequence, event_id)
)

-- name: clear_events
truncate check_event

-- name: note_events
-- The relay may send an event again; the same event again is one.
insert into check_event (tenant, person, competency, sequence, event_id, decision)
select * from unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::uuid[])
on conflict do nothing

-- name: events_missing
select d.person || ' ' || d.competency || ' sequence ' || d.sequence as what
from aggregator.decision as d
where d.sequence is not null
  and not exists (
    select from check_event as e
    where e.tenant = d.tenant and e.person = d.person and e.competency = d.competency
      and e.sequence = d.sequence and e.decision = d.decision)
  and not exists (
    select from aggregator.outbox as o
    where (convert_from(o.value, 'UTF8')::jsonb ->> 'decision')::uuid = d.decision)
limit $1

-- name: events_wrong
-- Two events of one sequence, or one that no decision stands behind.
select e.person || ' ' || e.competency || ' sequence ' || e.sequence as what
from check_event as e
left join aggregator.decision as d on d.tenant = e.tenant and d.decision = e.decision
where d.sequence is distinct from e.sequence
  or exists (
    select from check_event as x
    where x.tenant = e.tenant and x.person = e.person and x.competency = e.competency
      and x.sequence = e.sequence and x.event_id <> e.event_id)
limit $1

-- name: count_events
select count(*) from check_event

-- name: people_sample
select tenant, person from aggregator.person
order by md5(tenant || person || $1::text)
limit $2

-- name: people_page
select tenant, person from aggregator.person
where (tenant, person) > ($1, $2)
order by tenant, person
limit $3

-- name: decisions_of
select c.tenant, c.person, c.competency, c.outcome_hash, c.used,
  (c.status, c.level, c.achieved_on, c.expires_on, c.expiring_days)
    is not distinct from (d.status, d.level, d.achieved_on, d.expires_on, d.expiring_days)
    as is_last_kept, d.as_of_ms, d.known_at_ms,
  d.rule_id, d.rule_version, d.rule_hash, d.engine_version, d.outcome_hash as kept_hash,
  d.document::text as document, r.hash as recorded_hash
from unnest($1::text[], $2::uuid[]) as wanted (tenant, person)
join aggregator.decision_current as c using (tenant, person)
left join aggregator.decision as d
  on d.tenant = c.tenant and d.person = c.person and d.competency = c.competency
  and d.ordinal = c.ordinal
left join aggregator.rule_version as r
  on r.tenant = d.tenant and r.rule_id = d.rule_id and r.version = d.rule_version

-- name: waiting_of
-- Keys that will be decided anew, so that a difference is not yet one; or that cannot be.
select tenant, person, competency
from unnest($1::text[], $2::uuid[]) as wanted (tenant, person)
join aggregator.mark using (tenant, person)
union
select tenant, person, competency
from unnest($1::text[], $2::uuid[]) as wanted (tenant, person)
join aggregator.wakeup as w using (tenant, person)
where w.due_ms <= $3
union
select tenant, person, competency
from unnest($1::text[], $2::uuid[]) as wanted (tenant, person)
join aggregator.evaluation_failure using (tenant, person)

-- name: voided_but_used
-- Decisions that stand on a statement whose void counts and has reached the aggregator.
select c.person || ' ' || c.competency || ' uses ' || v.target as what
from aggregator.decision_current as c
cross join lateral unnest(c.used) as u (id)
join ingest.void as v on v.tenant = c.tenant and v.target = u.id and v.counts
join aggregator.statement_fact as f on f.tenant = v.tenant and f.id = v.voiding
where not exists (
  select from aggregator.mark as m
  where m.tenant = c.tenant and m.person = c.person and m.competency = c.competency)
limit $1

-- name: count_voids
select count(*) filter (where counts) as counting, count(*) as all from ingest.void

-- name: table_exists
select to_regclass($1) is not null as there

-- name: count_credentials
select state, count(*) as credentials from credentials.credential group by state order by state

-- name: credentials_doubled
-- Two that count at once, or two made from one award.
select c.person || ' ' || c.competency as what
from credentials.credential as c
group by c.tenant, c.person, c.competency
having count(*) filter (where c.state in ('issued', 'suspended')) > 1
  -- What was revoked may have been issued anew, under another key.
  or count(*) filter (where c.state <> 'revoked')
    <> count(distinct (c.manual, c.sequence)) filter (where c.state <> 'revoked')
limit $1

-- name: credentials_without_ground
-- Issued, while the competency is not held any more, or was never decided nor signed.
select c.credential || ' of ' || c.person || ' ' || c.competency || ': '
  || coalesce(d.status, 'no decision') as what
from credentials.credential as c
left join aggregator.decision_current as d
  on d.tenant = c.tenant and d.person = c.person and d.competency = c.competency
where c.state = 'issued' and coalesce(d.status, '') not in ('achieved', 'under_review')
  and not exists (
    select from credentials.award as a
    where a.tenant = c.tenant and a.person = c.person and a.competency = c.competency
      and a.source = 'manual' and a.standing = 'held')
limit $1

-- name: credentials_without_decision
-- Nor an award by two people (law 8).
select c.credential::text as what
from credentials.credential as c
where (c.manual is null and not exists (
    select from aggregator.decision as d
    where d.tenant = c.tenant and d.decision = c.decision and d.person = c.person
      and d.competency = c.competency and d.sequence is not null))
  or (c.manual is not null and not exists (
    select from credentials.manual_award as m
    join credentials.manual_person as p using (tenant, manual)
    join credentials.signature as one
      on one.tenant = m.tenant and one.signature = m.proposed_signature
      and one.content_hash = m.content_hash
    join credentials.signature as two
      on two.tenant = m.tenant and two.signature = m.approved_signature
      and two.content_hash = m.content_hash and two.account <> one.account
    where m.tenant = c.tenant and m.manual = c.manual and m.competency = c.competency
      and p.person = c.person and p.outcome = 'awarded'))
limit $1

-- name: awards_differ
-- The award is the last event; one that is behind is on its way, one that stays behind is lost.
select d.person || ' ' || d.competency || ': decided ' || d.status || ' (' || d.sequence
  || '), awarded ' || coalesce(a.standing || ' (' || a.sequence || ')', 'nothing') as what
from aggregator.decision_current as d
left join credentials.award as a
  on a.tenant = d.tenant and a.person = d.person and a.competency = d.competency
where d.sequence > 0
  and (a.sequence is distinct from d.sequence
    or (a.source = 'decision' and a.standing <> case d.status
      when 'achieved' then 'held'
      when 'suspended' then 'suspended'
      when 'under_review' then 'under_review'
      when 'expired' then 'expired'
      when 'revoked' then 'revoked'
      else 'withdrawn'
    end))
limit $1

-- name: awards_without_credential
-- But of the outreach realm, and of a person whose kept one has it.
select a.person || ' ' || a.competency as what
from credentials.award as a
where a.standing = 'held' and a.failure is null
  and not exists (
    select from credentials.credential as c
    where c.tenant = a.tenant and c.person = a.person and c.competency = a.competency
      and c.state = 'issued')
  -- What a removed key signed is revoked, and not issued anew.
  and not exists (
    select from credentials.credential as c
    where c.tenant = a.tenant and c.person = a.person and c.competency = a.competency
      and c.state = 'revoked' and c.reason = 'key_removed')
  and not exists (
    select from credentials.person_merge as m
    where m.tenant = a.tenant and m.person = a.person and not m.is_retracted)
  and (a.kind = 'participation' or not (
    exists (
      select from credentials.outreach_person as o
      where o.tenant = a.tenant and o.person = a.person and o.removed_at is null)
    or exists (
      select from credentials.outreach_tenant as o
      where o.tenant = a.tenant and o.removed_at is null)))
limit $1

-- name: status_bits_differ
-- What a verifier is shown: one bit in each of the two lists of a credential. One with a revocation
-- entry only is suspended by it, and a revocation bit that was set is never cleared.
select c.credential || ' is ' || c.state || ', its bits say otherwise' as what
from credentials.credential as c
left join credentials.status_entry as s
  on s.tenant = c.tenant and s.list = c.suspension_list and s.index = c.suspension_index
left join credentials.status_entry as r
  on r.tenant = c.tenant and r.list = c.revocation_list and r.index = c.revocation_index
where r.credential is distinct from c.credential
  or case when c.suspension_list is null
    then (c.state in ('suspended', 'superseded', 'revoked') and not r.is_set)
      or (c.state in ('intended', 'issued') and r.is_set)
    else s.credential is distinct from c.credential
      or s.is_set <> (c.state = 'suspended')
      or r.is_set <> (c.state in ('superseded', 'revoked'))
    end
limit $1

-- name: endorsement_bits_differ
select e.endorsement || ' is ' || e.state || ', its bit says otherwise' as what
from credentials.endorsement as e
left join credentials.status_entry as r
  on r.tenant = e.tenant and r.list = e.revocation_list and r.index = e.revocation_index
where r.credential is distinct from e.endorsement or r.is_set <> (e.state = 'withdrawn')
limit $1

-- name: status_lists_unsigned
select l.list || ' (' || l.purpose || ')' as what
from credentials.status_list as l
where l.version <> l.signed_version and not l.is_final
limit $1

-- name: credentials_alarms
select 'set aside: credentials ' || topic || '/' || partition || '/' || record_offset || ': '
  || reason as what
from credentials.quarantine
union all
select 'award failed: ' || person || ' ' || competency || ': ' || failure
from credentials.award
where failure is not null
order by 1
limit $1

-- name: count_documents
select (select count(*) from credentials.credential where document is not null)
  + (select count(*) from credentials.bound_copy)
  + (select count(*) from credentials.endorsement) as documents

-- name: signing_keys
select tenant, did, method from credentials.issuer_key

-- name: served_lists
-- But those that no key was there to sign for good: they run out.
select list, document from credentials.status_list
where document is not null and not (is_final and valid_until < now())

-- name: stored_documents
select c.tenant, c.credential, c.state, c.suspension_list is not null as has_suspension, c.document,
  c.jwt, k.state in ('removed', 'compromised') as key_is_gone
from credentials.credential as c
join credentials.issuer_key as k using (tenant, method)
where c.document is not null and (c.tenant, c.credential) > ($1, $2)
order by c.tenant, c.credential
limit $3

-- name: stored_copies
select b.tenant, b.credential, b.format, b.holder, c.state,
  c.suspension_list is not null as has_suspension, b.document,
  k.state in ('removed', 'compromised') as key_is_gone
from credentials.bound_copy as b
join credentials.credential as c using (tenant, credential)
join credentials.issuer_key as k on k.tenant = b.tenant and k.method = b.method
where (b.tenant, b.credential, b.format, b.holder) > ($1, $2, $3, $4)
order by b.tenant, b.credential, b.format, b.holder
limit $5

-- name: stored_endorsements
select e.tenant, e.endorsement as credential,
  case e.state when 'withdrawn' then 'revoked' else e.state end as state, false as has_suspension,
  e.document, null::text as jwt, k.state in ('removed', 'compromised') as key_is_gone
from credentials.endorsement as e
join credentials.issuer_key as k using (tenant, method)
where (e.tenant, e.endorsement) > ($1, $2)
order by e.tenant, e.endorsement
limit $3

-- name: endorsements_again
select e.tenant, e.endorsement as credential,
  case e.state when 'withdrawn' then 'revoked' else e.state end as state, false as has_suspension,
  e.document, null::text as jwt, k.state in ('removed', 'compromised') as key_is_gone
from unnest($1::text[], $2::uuid[]) as n (tenant, credential)
join credentials.endorsement as e on e.tenant = n.tenant and e.endorsement = n.credential
join credentials.issuer_key as k on k.tenant = e.tenant and k.method = e.method

-- name: documents_again
select c.tenant, c.credential, c.state, c.suspension_list is not null as has_suspension, c.document,
  c.jwt, k.state in ('removed', 'compromised') as key_is_gone
from unnest($1::text[], $2::uuid[]) as n (tenant, credential)
join credentials.credential as c using (tenant, credential)
join credentials.issuer_key as k on k.tenant = c.tenant and k.method = c.method
where c.document is not null

-- name: copies_again
select b.tenant, b.credential, c.state, c.suspension_list is not null as has_suspension, b.document,
  k.state in ('removed', 'compromised') as key_is_gone
from unnest($1::text[], $2::uuid[]) as n (tenant, credential)
join credentials.bound_copy as b using (tenant, credential)
join credentials.credential as c using (tenant, credential)
join credentials.issuer_key as k on k.tenant = b.tenant and k.method = b.method
