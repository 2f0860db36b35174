-- The queries of a rebuild, run by the owner. `aggregator_rebuild` holds the fresh tables, `applied`
-- with the places in the log that they stand for, and what is still to be looked at.

-- name: make_bookkeeping
create table aggregator_rebuild.run (
  single boolean primary key default true check (single),
  fingerprint text not null,
  phase text not null,
  statements bigint not null default 0,
  -- The last person whose decisions were compared.
  tenant text not null default '',
  person uuid not null default '00000000-0000-0000-0000-000000000000',
  seconds float8 not null default 0,
  -- Where statements stand whose records were deleted from the log; null: none were, so far.
  replay_topic text,
  began_at timestamptz not null default now()
);
create table aggregator_rebuild.suspect_fact (
  tenant text,
  id uuid,
  primary key (tenant, id)
);
create table aggregator_rebuild.suspect_decision (
  tenant text,
  person uuid,
  competency text,
  why text not null,
  primary key (tenant, person, competency)
);

-- name: begin_run
insert into aggregator_rebuild.run (fingerprint, phase) values ($1, 'replay')

-- name: find_run
select fingerprint, phase, statements, tenant, person, seconds, replay_topic
from aggregator_rebuild.run

-- name: set_phase
update aggregator_rebuild.run set phase = $1

-- name: add_seconds
update aggregator_rebuild.run set seconds = seconds + $1

-- name: add_statements
update aggregator_rebuild.run set statements = statements + $1

-- name: set_person
update aggregator_rebuild.run set tenant = $1, person = $2

-- name: set_replay_topic
update aggregator_rebuild.run set replay_topic = $1

-- name: newest_before
-- The running maximum of append times where the log begins now, as far as facts tell it.
select coalesce(max(f.stored_ms), 0) from aggregator.statement_fact as f
where f.partition = $1 and f.record_offset < $2

-- name: live_applied
select partition, cluster_id, topic_id, next_offset, stored_ms
from aggregator.applied
where projection = $1 and topic = $2

-- name: fresh_applied
select topic, partition, cluster_id, topic_id, next_offset, stored_ms
from aggregator_rebuild.applied
where projection = $1

-- name: begin_partition
insert into aggregator_rebuild.applied
  (projection, topic, partition, cluster_id, topic_id, next_offset, stored_ms)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing

-- Comparing facts ---------------------------------------------------------------------------------

-- name: suspect_facts
-- Statements of which the live tables and the fresh ones do not hold the same. What the live ones
-- have of later places in the log is left out; what is in flight is looked at again in the end.
with reached as (
  select partition, next_offset from aggregator_rebuild.applied
  where projection = $1 and topic = $2
), live_fact as (
  select f.tenant, f.id, f.body_hash, f.append_ms, f.partition, f.record_offset, f.record_index,
    f.stored_ms, f.occurred, f.actor, f.verb, f.activity, f.fact
  from aggregator.statement_fact as f
  join reached as r on r.partition = f.partition and f.record_offset < r.next_offset
), live_conflict as (
  select f.tenant, f.id, f.body_hash, f.append_ms, f.partition, f.record_offset, f.record_index,
    f.stored_ms, f.occurred, f.actor, f.verb, f.activity, f.fact
  from aggregator.fact_conflict as f
  join reached as r on r.partition = f.partition and f.record_offset < r.next_offset
)
insert into aggregator_rebuild.suspect_fact (tenant, id)
select coalesce(n.tenant, o.tenant), coalesce(n.id, o.id)
from aggregator_rebuild.statement_fact as n
full join live_fact as o on o.tenant = n.tenant and o.id = n.id
where (n.body_hash, n.append_ms, n.partition, n.record_offset, n.record_index, n.stored_ms,
       n.occurred, n.actor, n.verb, n.activity, n.fact)
  is distinct from
      (o.body_hash, o.append_ms, o.partition, o.record_offset, o.record_index, o.stored_ms,
       o.occurred, o.actor, o.verb, o.activity, o.fact)
union
select coalesce(n.tenant, o.tenant), coalesce(n.id, o.id)
from aggregator_rebuild.fact_conflict as n
full join live_conflict as o on o.tenant = n.tenant and o.id = n.id and o.body_hash = n.body_hash
where (n.append_ms, n.partition, n.record_offset, n.record_index, n.stored_ms, n.occurred, n.actor,
       n.verb, n.activity, n.fact)
  is distinct from
      (o.append_ms, o.partition, o.record_offset, o.record_index, o.stored_ms, o.occurred, o.actor,
       o.verb, o.activity, o.fact)
union
select tenant, id from (
  select tenant, agent, role, id, verb from aggregator_rebuild.fact_agent
  except select tenant, agent, role, id, verb from aggregator.fact_agent
) as missing
union
select tenant, id from (
  select tenant, target, id from aggregator_rebuild.void
  except select tenant, target, id from aggregator.void
) as missing
on conflict do nothing

-- name: differing_facts
-- Those of the suspects that differ now, when both stand for the same places in the log.
with suspect as (
  select tenant, id from aggregator_rebuild.suspect_fact order by tenant, id limit $1
), live as (
  select f.tenant, f.id, array_agg(f.kind || f.what order by f.kind, f.what) as whole
  from (
    select tenant, id, 'first' as kind, row(body_hash, append_ms, partition, record_offset,
      record_index, stored_ms, occurred, actor, verb, activity, fact)::text as what
    from aggregator.statement_fact join suspect using (tenant, id)
    union all
    select tenant, id, 'other', row(body_hash, append_ms, partition, record_offset, record_index,
      stored_ms, occurred, actor, verb, activity, fact)::text
    from aggregator.fact_conflict join suspect using (tenant, id)
    union all
    select tenant, id, 'agent', row(agent, role, verb)::text
    from aggregator.fact_agent join suspect using (tenant, id)
    union all
    select tenant, id, 'void', target::text
    from aggregator.void join suspect using (tenant, id)
  ) as f group by f.tenant, f.id
), fresh as (
  select f.tenant, f.id, array_agg(f.kind || f.what order by f.kind, f.what) as whole
  from (
    select tenant, id, 'first' as kind, row(body_hash, append_ms, partition, record_offset,
      record_index, stored_ms, occurred, actor, verb, activity, fact)::text as what
    from aggregator_rebuild.statement_fact join suspect using (tenant, id)
    union all
    select tenant, id, 'other', row(body_hash, append_ms, partition, record_offset, record_index,
      stored_ms, occurred, actor, verb, activity, fact)::text
    from aggregator_rebuild.fact_conflict join suspect using (tenant, id)
    union all
    select tenant, id, 'agent', row(agent, role, verb)::text
    from aggregator_rebuild.fact_agent join suspect using (tenant, id)
    union all
    select tenant, id, 'void', target::text
    from aggregator_rebuild.void join suspect using (tenant, id)
  ) as f group by f.tenant, f.id
)
select s.tenant, s.id
from suspect as s
left join live on live.tenant = s.tenant and live.id = s.id
left join fresh on fresh.tenant = s.tenant and fresh.id = s.id
where live.whole is distinct from fresh.whole
order by s.tenant, s.id

-- name: nobody_acts
-- Agents in the fresh facts that are no person: a link was lost, and no log can bring it back.
select count(*) from (
  select distinct f.tenant, f.actor from aggregator_rebuild.statement_fact as f
  where f.actor is not null
) as a
where not exists (
  select from aggregator.identity_link as l where l.tenant = a.tenant and l.agent = a.actor)

-- Comparing decisions -----------------------------------------------------------------------------

-- name: people_after
select tenant, person from aggregator.person
where (tenant, person) > ($1, $2)
order by tenant, person
limit $3

-- name: count_people
select count(*) from aggregator.person

-- name: count_people_until
select count(*) from aggregator.person where (tenant, person) <= ($1, $2)

-- name: standing_of
-- What stands of some people, beside the end of the history that is kept of it.
with wanted as (
  select * from unnest($1::text[], $2::uuid[]) as w (tenant, person)
), head as (
  select d.tenant, d.person, d.competency, max(d.ordinal) as ordinal,
    coalesce(max(d.sequence), 0) as sequence,
    (array_agg(d.outcome_hash order by d.ordinal desc))[1] as outcome_hash
  from wanted join aggregator.decision as d using (tenant, person)
  group by d.tenant, d.person, d.competency
), current as (
  select c.tenant, c.person, c.competency, c.ordinal, c.sequence, c.outcome_hash
  from wanted join aggregator.decision_current as c using (tenant, person)
)
select k.tenant, k.person, k.competency, c.outcome_hash, w.due_ms, m.version is not null as marked,
  (h.ordinal, h.sequence, h.outcome_hash) is distinct from
  (c.ordinal, c.sequence, c.outcome_hash) as severed, h.ordinal is not null as kept
from (
  select tenant, person, competency from head
  union select tenant, person, competency from current
  union select m.tenant, m.person, m.competency
  from wanted join aggregator.mark as m using (tenant, person)
) as k
left join head as h using (tenant, person, competency)
left join current as c using (tenant, person, competency)
left join aggregator.wakeup as w using (tenant, person, competency)
left join aggregator.mark as m using (tenant, person, competency)

-- name: suspect_decisions
insert into aggregator_rebuild.suspect_decision (tenant, person, competency, why)
select * from unnest($1::text[], $2::uuid[], $3::text[], $4::text[])
on conflict (tenant, person, competency) do update set why = excluded.why

-- name: clear_suspect_decisions
delete from aggregator_rebuild.suspect_decision

-- name: list_suspect_decisions
select tenant, person, competency, why
from aggregator_rebuild.suspect_decision
order by tenant, person, competency

-- name: lock_people
select p.person
from unnest($1::text[], $2::uuid[]) as wanted (tenant, person)
join aggregator.person as p using (tenant, person)
order by p.tenant, p.person
for no key update of p

-- name: repair_current
-- The standing decision is the last one that the history holds; the caller holds the people's locks.
insert into aggregator.decision_current as c
  (tenant, person, competency, ordinal, decision, sequence, status, level, achieved_on, expires_on,
   used, reasons, outcome_hash, expiring_days)
select h.tenant, h.person, h.competency, h.ordinal, h.decision,
  (select coalesce(max(s.sequence), 0) from aggregator.decision as s
   where s.tenant = h.tenant and s.person = h.person and s.competency = h.competency),
  h.status, h.level, h.achieved_on, h.expires_on,
  array(select json_array_elements_text(h.document -> 'used')::uuid order by 1),
  (select coalesce(jsonb_object_agg(r.reason, r.statements), '{}'::jsonb) from (
     select e ->> 'reason' as reason, count(distinct e ->> 'statement') as statements
     from json_array_elements(coalesce(h.document -> 'excluded', '[]'::json)) as e
     group by e ->> 'reason') as r),
  h.outcome_hash, h.expiring_days
from (
  select distinct on (d.tenant, d.person, d.competency) d.tenant, d.person, d.competency, d.ordinal,
    d.decision, d.status, d.level, d.achieved_on, d.expires_on, d.document, d.outcome_hash,
    d.expiring_days
  from unnest($1::text[], $2::uuid[], $3::text[]) as w (tenant, person, competency)
  join aggregator.decision as d using (tenant, person, competency)
  order by d.tenant, d.person, d.competency, d.ordinal desc
) as h
order by h.tenant, h.person, h.competency
on conflict (tenant, person, competency) do update
set ordinal = excluded.ordinal, decision = excluded.decision, sequence = excluded.sequence,
  status = excluded.status, level = excluded.level, achieved_on = excluded.achieved_on,
  expires_on = excluded.expires_on, used = excluded.used, reasons = excluded.reasons,
  outcome_hash = excluded.outcome_hash, expiring_days = excluded.expiring_days

-- Exchanging --------------------------------------------------------------------------------------

-- name: alone
-- One rebuild at a time; the lock ends with the session.
select pg_try_advisory_lock(hashtext('aggregator.rebuild'))
