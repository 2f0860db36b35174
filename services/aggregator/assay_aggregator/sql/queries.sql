-- The queries of the aggregator. Arrays that begin with a tenant are parallel columns; writers sort
-- them by the key of the table, so that two writers never wait for each other crosswise.

-- Consuming ---------------------------------------------------------------------------------------

-- name: hold_records_still
-- Taken by every consumer batch: facts may be added while nobody changes records.
select pg_advisory_xact_lock_shared(hashtext('aggregator.records'))

-- name: change_records
-- Taken by whoever changes links, authority or rules: waits for consumer batches under way, so that
-- either they see the change or the change sees their facts.
select pg_advisory_xact_lock(hashtext('aggregator.records'))

-- name: insert_facts
insert into aggregator.statement_fact
  (tenant, id, body_hash, append_ms, partition, record_offset, record_index, stored_ms, occurred,
   actor, verb, activity, fact)
select * from unnest(
  $1::text[], $2::uuid[], $3::bytea[], $4::bigint[], $5::int[], $6::bigint[], $7::int[],
  $8::bigint[], $9::timestamptz[], $10::uuid[], $11::uuid[], $12::uuid[], $13::bytea[])
on conflict (tenant, id) do nothing
returning tenant, id

-- name: lock_facts
select f.tenant, f.id, f.body_hash, f.append_ms, f.partition, f.record_offset, f.record_index,
  f.stored_ms, f.occurred, f.actor, f.verb, f.activity, f.fact
from unnest($1::text[], $2::uuid[]) as wanted (tenant, id)
join aggregator.statement_fact as f using (tenant, id)
order by f.tenant, f.id
for update of f

-- name: conflicts_of
select c.tenant, c.id, c.body_hash, c.append_ms, c.partition, c.record_offset, c.record_index,
  c.stored_ms, c.occurred, c.actor, c.verb, c.activity, c.fact
from unnest($1::text[], $2::uuid[]) as wanted (tenant, id)
join aggregator.fact_conflict as c using (tenant, id)

-- name: replace_facts
update aggregator.statement_fact as f
set body_hash = n.body_hash, append_ms = n.append_ms, partition = n.partition,
  record_offset = n.record_offset, record_index = n.record_index, stored_ms = n.stored_ms,
  occurred = n.occurred, actor = n.actor, verb = n.verb, activity = n.activity, fact = n.fact
from unnest(
  $1::text[], $2::uuid[], $3::bytea[], $4::bigint[], $5::int[], $6::bigint[], $7::int[],
  $8::bigint[], $9::timestamptz[], $10::uuid[], $11::uuid[], $12::uuid[], $13::bytea[])
  as n (tenant, id, body_hash, append_ms, partition, record_offset, record_index, stored_ms,
        occurred, actor, verb, activity, fact)
where f.tenant = n.tenant and f.id = n.id

-- name: put_conflicts
insert into aggregator.fact_conflict
  (tenant, id, body_hash, append_ms, partition, record_offset, record_index, stored_ms, occurred,
   actor, verb, activity, fact)
select * from unnest(
  $1::text[], $2::uuid[], $3::bytea[], $4::bigint[], $5::int[], $6::bigint[], $7::int[],
  $8::bigint[], $9::timestamptz[], $10::uuid[], $11::uuid[], $12::uuid[], $13::bytea[])
on conflict (tenant, id, body_hash) do update
set append_ms = excluded.append_ms, partition = excluded.partition,
  record_offset = excluded.record_offset, record_index = excluded.record_index,
  stored_ms = excluded.stored_ms, occurred = excluded.occurred, actor = excluded.actor,
  verb = excluded.verb, activity = excluded.activity, fact = excluded.fact

-- name: delete_conflicts
delete from aggregator.fact_conflict as c
using unnest($1::text[], $2::uuid[], $3::bytea[]) as n (tenant, id, body_hash)
where c.tenant = n.tenant and c.id = n.id and c.body_hash = n.body_hash

-- name: insert_fact_agents
insert into aggregator.fact_agent (tenant, agent, role, id, verb)
select tenant, agent, role::"char", id, verb
from unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[])
  as n (tenant, agent, role, id, verb)
on conflict do nothing

-- name: insert_voids
insert into aggregator.void (tenant, target, id)
select * from unnest($1::text[], $2::uuid[], $3::uuid[])
on conflict do nothing

-- name: void_targets
-- The targets of voids, as far as they have arrived (every copy), to mark what they touch.
select f.fact, f.tenant
from unnest($1::text[], $2::uuid[]) as wanted (tenant, id)
join aggregator.statement_fact as f using (tenant, id)
union all
select c.fact, c.tenant
from unnest($1::text[], $2::uuid[]) as wanted (tenant, id)
join aggregator.fact_conflict as c using (tenant, id)

-- name: links_of_agents
select l.tenant, l.agent, l.person, l.automatic, l.valid_from, l.valid_to, l.retracted_ms
from unnest($1::text[], $2::uuid[]) as wanted (tenant, agent)
join aggregator.identity_link as l using (tenant, agent)

-- name: insert_people
insert into aggregator.person (tenant, person)
select * from unnest($1::text[], $2::uuid[])
on conflict do nothing

-- name: insert_automatic_links
insert into aggregator.identity_link (tenant, link, agent, agent_key, person, automatic)
select tenant, link, agent, agent_key, person, true
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[])
  as n (tenant, link, agent, agent_key, person)
on conflict (tenant, agent) where automatic do nothing
returning tenant, person

-- name: due_wakeups
select tenant, person, competency
from aggregator.wakeup
where due_ms <= $1
order by due_ms
limit $2

-- name: delete_due_wakeups
delete from aggregator.wakeup as w
using unnest($2::text[], $3::uuid[], $4::text[]) as n (tenant, person, competency)
where w.tenant = n.tenant and w.person = n.person and w.competency = n.competency
  and w.due_ms <= $1

-- name: mark
insert into aggregator.mark as m (tenant, person, competency, caused_ms)
select * from unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[])
on conflict (tenant, person, competency) do update
set version = m.version + 1, caused_ms = least(m.caused_ms, excluded.caused_ms)

-- name: applied_through
-- Greatest and smallest applied `stored` over the partitions; null before the first record.
select max(stored_ms) as greatest_ms, min(stored_ms) as smallest_ms
from aggregator.applied
where projection = $1 and topic = $2

-- Deciding ----------------------------------------------------------------------------------------

-- name: take_marks
select tenant, person, competency, version, caused_ms
from aggregator.mark
order by marked_at
limit $1
for update skip locked

-- name: lock_people
select p.tenant, p.person
from unnest($1::text[], $2::uuid[]) as wanted (tenant, person)
join aggregator.person as p using (tenant, person)
order by p.tenant, p.person
for no key update of p

-- name: links_around_people
-- Every link, of any time, of every agent that was ever linked to one of the people.
select l.tenant, l.agent, l.agent_key, l.person, l.automatic, l.valid_from, l.valid_to,
  l.recorded_ms, l.retracted_ms
from aggregator.identity_link as l
where (l.tenant, l.agent) in (
  select k.tenant, k.agent
  from unnest($1::text[], $2::uuid[]) as wanted (tenant, person)
  join aggregator.identity_link as k using (tenant, person))

-- name: links_around_agents
select l.tenant, l.agent, l.agent_key, l.person, l.automatic, l.valid_from, l.valid_to,
  l.recorded_ms, l.retracted_ms
from unnest($1::text[], $2::uuid[]) as wanted (tenant, agent)
join aggregator.identity_link as l using (tenant, agent)

-- name: evidence
-- Every copy of every statement by an agent with a verb, about an activity where one is named, alone
-- or as member of a group, and every other copy of those ids.
with term as (
  select * from unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[])
    as w (tenant, agent, verb, activity)
), verb as (
  select distinct tenant, agent, verb from term
), found as (
  select f.tenant, f.id
  from term
  join aggregator.statement_fact as f
    on f.tenant = term.tenant and f.actor = term.agent and f.verb = term.verb
    and f.activity = term.activity
  union
  select f.tenant, f.id
  from term
  join aggregator.statement_fact as f
    on f.tenant = term.tenant and f.actor = term.agent and f.verb = term.verb
  where term.activity is null
  union
  select g.tenant, g.id
  from verb
  join aggregator.fact_agent as g
    on g.tenant = verb.tenant and g.agent = verb.agent and g.role = 'm' and g.verb = verb.verb
  union
  select c.tenant, c.id
  from verb
  join aggregator.fact_conflict as c
    on c.tenant = verb.tenant and c.actor = verb.agent and c.verb = verb.verb
), voiding as (
  select v.tenant, v.id from found join aggregator.void as v
    on v.tenant = found.tenant and v.target = found.id
), wanted as (
  select tenant, id from found union select tenant, id from voiding
)
select f.tenant, f.id, f.stored_ms, f.fact
from wanted join aggregator.statement_fact as f using (tenant, id)
union all
select c.tenant, c.id, c.stored_ms, c.fact
from wanted join aggregator.fact_conflict as c using (tenant, id)

-- name: evidence_of_any_verb
with found as (
  select f.tenant, f.id
  from unnest($1::text[], $2::uuid[]) as wanted (tenant, agent)
  join aggregator.statement_fact as f
    on f.tenant = wanted.tenant and f.actor = wanted.agent
  union
  select g.tenant, g.id
  from unnest($1::text[], $2::uuid[]) as wanted (tenant, agent)
  join aggregator.fact_agent as g
    on g.tenant = wanted.tenant and g.agent = wanted.agent and g.role = 'm'
  union
  select c.tenant, c.id
  from unnest($1::text[], $2::uuid[]) as wanted (tenant, agent)
  join aggregator.fact_conflict as c
    on c.tenant = wanted.tenant and c.actor = wanted.agent
), voiding as (
  select v.tenant, v.id from found join aggregator.void as v
    on v.tenant = found.tenant and v.target = found.id
), wanted as (
  select tenant, id from found union select tenant, id from voiding
)
select f.tenant, f.fact
from wanted join aggregator.statement_fact as f using (tenant, id)
union all
select c.tenant, c.fact
from wanted join aggregator.fact_conflict as c using (tenant, id)

-- name: authorisations_of
select a.tenant, a.assessor, a.scope, a.valid_from, a.valid_to, a.recorded_ms, a.retracted_ms
from unnest($1::text[], $2::uuid[]) as wanted (tenant, assessor)
join aggregator.assessor_authorisation as a using (tenant, assessor)

-- name: conflicts_of_interest_of
select c.tenant, c.assessor, c.person, c.valid_from, c.valid_to, c.recorded_ms, c.retracted_ms
from unnest($1::text[], $2::uuid[]) as wanted (tenant, person)
join aggregator.assessor_conflict as c using (tenant, person)

-- name: rules_of
select v.tenant, v.rule_id, v.version, v.hash, v.recorded_ms, r.effective_to as retired_on,
  r.recorded_ms as retired_ms
from aggregator.rule_version as v
left join aggregator.rule_retirement as r using (tenant, rule_id, version)
where v.tenant = any($1::text[])
order by v.tenant, v.rule_id, v.version

-- name: rule_documents
select hash, document
from aggregator.rule_version
where hash = any($1::text[])

-- name: current_decisions
select d.tenant, d.person, d.competency, d.ordinal, d.sequence, d.status, d.level, d.achieved_on,
  d.expires_on, d.used, d.outcome_hash, d.expiring_days
from unnest($1::text[], $2::uuid[], $3::text[]) as wanted (tenant, person, competency)
join aggregator.decision_current as d using (tenant, person, competency)

-- name: insert_decisions
insert into aggregator.decision
  (tenant, person, competency, ordinal, decision, sequence, as_of_ms, known_at_ms, rule_id,
   rule_version, rule_hash, engine_version, status, level, achieved_on, expires_on, outcome_hash,
   document, expiring_days)
select * from unnest(
  $1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::text[], $10::int[], $11::text[], $12::text[], $13::text[], $14::int[],
  $15::date[], $16::date[], $17::bytea[], $18::json[], $19::int[])

-- name: put_current_decisions
insert into aggregator.decision_current
  (tenant, person, competency, ordinal, decision, sequence, status, level, achieved_on, expires_on,
   used, reasons, outcome_hash, expiring_days)
select tenant, person, competency, ordinal, decision, sequence, status, level, achieved_on,
  expires_on, used::uuid[], reasons::jsonb, outcome_hash, expiring_days
from unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::bigint[], $7::text[],
  $8::int[], $9::date[], $10::date[], $11::text[], $12::text[], $13::bytea[], $14::int[])
  as n (tenant, person, competency, ordinal, decision, sequence, status, level, achieved_on,
        expires_on, used, reasons, outcome_hash, expiring_days)
on conflict (tenant, person, competency) do update
set ordinal = excluded.ordinal, decision = excluded.decision, sequence = excluded.sequence,
  status = excluded.status, level = excluded.level, achieved_on = excluded.achieved_on,
  expires_on = excluded.expires_on, used = excluded.used, reasons = excluded.reasons,
  outcome_hash = excluded.outcome_hash, expiring_days = excluded.expiring_days

-- name: insert_outbox
insert into aggregator.outbox (topic, key, value)
select $1, key, value from unnest($2::bytea[], $3::bytea[]) with ordinality as n (key, value, place)
order by place

-- name: notify_outbox
select pg_notify('aggregator_outbox', '')

-- name: put_wakeups
insert into aggregator.wakeup (tenant, person, competency, due_ms)
select * from unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[])
on conflict (tenant, person, competency) do update
set due_ms = excluded.due_ms
where aggregator.wakeup.due_ms <> excluded.due_ms

-- name: delete_wakeups
delete from aggregator.wakeup as w
using unnest($1::text[], $2::uuid[], $3::text[]) as n (tenant, person, competency)
where w.tenant = n.tenant and w.person = n.person and w.competency = n.competency

-- name: delete_marks
-- A mark whose version has moved stays: somebody came with new evidence meanwhile.
delete from aggregator.mark as m
using unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[])
  as n (tenant, person, competency, version)
where m.tenant = n.tenant and m.person = n.person and m.competency = n.competency
  and m.version = n.version

-- name: put_failures
insert into aggregator.evaluation_failure as f (tenant, person, competency, error)
select * from unnest($1::text[], $2::uuid[], $3::text[], $4::text[])
on conflict (tenant, person, competency) do update
set error = excluded.error, failures = f.failures + 1, failed_at = now()

-- name: delete_failures
delete from aggregator.evaluation_failure as f
using unnest($1::text[], $2::uuid[], $3::text[]) as n (tenant, person, competency)
where f.tenant = n.tenant and f.person = n.person and f.competency = n.competency

-- Changing records --------------------------------------------------------------------------------

-- name: insert_links
insert into aggregator.identity_link
  (tenant, link, agent, agent_key, person, automatic, valid_from, valid_to, recorded_ms)
select tenant, link, agent, agent_key, person, false, valid_from, valid_to, recorded_ms
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::date[], $7::date[],
  $8::bigint[])
  as n (tenant, link, agent, agent_key, person, valid_from, valid_to, recorded_ms)

-- name: retract_link
update aggregator.identity_link
set retracted_ms = $3
where tenant = $1 and link = $2 and retracted_ms is null and not automatic
returning agent, agent_key, person, valid_from, valid_to

-- name: insert_authorisations
insert into aggregator.assessor_authorisation
  (tenant, authorisation, assessor, scope, valid_from, valid_to, recorded_ms)
select * from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::date[], $6::date[],
  $7::bigint[])

-- name: retract_authorisation
update aggregator.assessor_authorisation
set retracted_ms = $3
where tenant = $1 and authorisation = $2 and retracted_ms is null
returning assessor, scope, valid_from, valid_to

-- name: insert_conflicts_of_interest
insert into aggregator.assessor_conflict
  (tenant, conflict, assessor, person, valid_from, valid_to, recorded_ms)
select * from unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::date[], $6::date[],
  $7::bigint[])

-- name: retract_conflict_of_interest
update aggregator.assessor_conflict
set retracted_ms = $3
where tenant = $1 and conflict = $2 and retracted_ms is null
returning assessor, person, valid_from, valid_to

-- name: insert_rule
insert into aggregator.rule_version
  (tenant, rule_id, version, competency, status, effective_from, effective_to, hash, document,
   recorded_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (tenant, rule_id, version) do nothing

-- name: find_rule
select hash, competency
from aggregator.rule_version
where tenant = $1 and rule_id = $2 and version = $3

-- name: competency_of_rule
select competency from aggregator.rule_version where tenant = $1 and rule_id = $2 limit 1

-- name: rule_of_competency
select rule_id from aggregator.rule_version where tenant = $1 and competency = $2 limit 1

-- name: facts_of_agents
-- All copies of all statements in which one of the agents is actor, member or assessor.
with found as (
  select f.tenant, f.id from aggregator.statement_fact as f
  where f.tenant = $1 and f.actor = any($2::uuid[])
  union
  select g.tenant, g.id from aggregator.fact_agent as g
  where g.tenant = $1 and g.agent = any($2::uuid[])
  union
  select c.tenant, c.id from aggregator.fact_conflict as c
  where c.tenant = $1 and c.actor = any($2::uuid[])
)
select f.fact from found join aggregator.statement_fact as f using (tenant, id)
union all
select c.fact from found join aggregator.fact_conflict as c using (tenant, id)

-- name: facts_assessed_by
with found as (
  select g.tenant, g.id from aggregator.fact_agent as g
  where g.tenant = $1 and g.agent = any($2::uuid[]) and g.role = 'i'
)
select f.fact from found join aggregator.statement_fact as f using (tenant, id)
union all
select c.fact from found join aggregator.fact_conflict as c using (tenant, id)

-- name: facts_for_rule
-- Statements that a new rule may match; null means any verb, or any activity.
select fact from aggregator.statement_fact
where tenant = $1
  and ($2::uuid[] is null or verb = any($2::uuid[]))
  and ($3::uuid[] is null or activity = any($3::uuid[]))
union all
select fact from aggregator.fact_conflict
where tenant = $1
  and ($2::uuid[] is null or verb = any($2::uuid[]))
  and ($3::uuid[] is null or activity = any($3::uuid[]))

-- name: mark_decided
-- Whoever has a decision on the first competency of a pair, or waits for one, to be decided anew in
-- the second.
insert into aggregator.mark as m (tenant, person, competency)
select distinct d.tenant, d.person, pair.marked
from unnest($2::text[], $3::text[]) as pair (seen, marked)
cross join lateral (
  select c.tenant, c.person from aggregator.decision_current as c
  where c.tenant = $1 and c.competency = pair.seen
  union all
  select w.tenant, w.person from aggregator.mark as w
  where w.tenant = $1 and w.competency = pair.seen) as d
order by d.person, pair.marked
on conflict (tenant, person, competency) do update
set version = m.version + 1

-- name: merges_of
select merge, merged, kept
from aggregator.person_merge
where tenant = $1 and merged = any($2::uuid[]) and retracted_ms is null
order by merged

-- name: agents_of_people
select distinct agent
from aggregator.identity_link
where tenant = $1 and person = any($2::uuid[])

-- Answering ---------------------------------------------------------------------------------------

-- name: person_exists
select 1 from aggregator.person where tenant = $1 and person = $2

-- name: known_people
select person from aggregator.person where tenant = $1 and person = any($2::uuid[])

-- name: list_people
select person, created_at
from aggregator.person
where tenant = $1 and ($2::uuid is null or person > $2)
order by person
limit $3

-- name: current_of_person
select competency, decision, sequence, status, level, achieved_on, expires_on
from aggregator.decision_current
where tenant = $1 and person = $2
order by competency

-- name: list_current
select d.person, d.competency, d.decision, d.sequence, d.status, d.level, d.achieved_on,
  d.expires_on
from aggregator.decision_current as d
where d.tenant = $1
  and ($2::text is null or d.competency = $2)
  and ($3::text is null or d.status = $3)
  and ($4::uuid is null or (d.person, d.competency) > ($4, $5))
order by d.person, d.competency
limit $6

-- name: decisions_of_person
select ordinal, decision, sequence, as_of_ms, known_at_ms, rule_id, rule_version, rule_hash,
  engine_version, status, level, achieved_on, expires_on
from aggregator.decision
where tenant = $1 and person = $2 and competency = $3 and ordinal > $4
order by ordinal
limit $5

-- name: summary
select competency, status, count(*) as people
from aggregator.decision_current
where tenant = $1
group by competency, status
order by competency, status

-- name: reasons
select r.key as reason, sum(r.value::bigint)::bigint as statements
from aggregator.decision_current as d, jsonb_each_text(d.reasons) as r
where d.tenant = $1
group by r.key
order by r.key

-- name: statement_counts
select count(*) as statements from aggregator.statement_fact where tenant = $1

-- name: waiting
select count(*) as marks, extract(epoch from now() - min(marked_at))::float8 as oldest_seconds
from aggregator.mark

-- name: failures
select count(*) from aggregator.evaluation_failure

-- name: quarantined
select count(*) from aggregator.quarantine

-- name: outbox_depth
select count(*) from aggregator.outbox
