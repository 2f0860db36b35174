-- Awards and withdrawals by two people, merges of people, the outreach realm. Arrays that begin with a
-- tenant are parallel columns; writers sort them by the key of the table.

-- Records -----------------------------------------------------------------------------------------

-- name: recorded_ms
select coalesce(max(stored_ms), 0) + 1 from credentials.applied

-- What stands above awards ------------------------------------------------------------------------

-- name: overruling
-- A merge may be followed by another: the chain is walked to its end.
with recursive asked as (
  select n.tenant, n.person, n.competency
  from unnest($1::text[], $2::uuid[], $3::text[]) as n (tenant, person, competency)
), chain as (
  select a.tenant, a.person, a.competency, m.kept
  from asked as a
  join credentials.person_merge as m
    on m.tenant = a.tenant and m.person = a.person and not m.is_retracted
  union
  select c.tenant, c.person, c.competency, m.kept
  from chain as c
  join credentials.person_merge as m
    on m.tenant = c.tenant and m.person = c.kept and not m.is_retracted
), found as (
  select a.tenant, a.person, a.competency,
    exists (
      select from chain as c
      join credentials.credential as k
        on k.tenant = c.tenant and k.person = c.kept and k.competency = c.competency
        and k.state in ('issued', 'suspended')
      where c.tenant = a.tenant and c.person = a.person and c.competency = a.competency
    ) as is_elsewhere,
    exists (
      select from credentials.outreach_tenant as o
      where o.tenant = a.tenant and o.removed_at is null
    ) or exists (
      select from credentials.outreach_person as o
      where o.tenant = a.tenant and o.person = a.person and o.removed_at is null
    ) as is_outreach
  from asked as a
)
select f.tenant, f.person, f.competency, f.is_elsewhere, f.is_outreach
from found as f
where f.is_elsewhere or f.is_outreach

-- name: expire_signed
-- UTC-12 is where a day ends last. Decisions tell their own end.
update credentials.award as a
set standing = 'expired', reason = 'expired', version = a.version + 1,
  event_ms = (extract(epoch from clock_timestamp()) * 1000)::bigint
from (
  select tenant, person, competency
  from credentials.award
  where source = 'manual' and standing = 'held'
    and expires_on < ((clock_timestamp() - interval '12 hours') at time zone 'UTC')::date
  order by tenant, person, competency
  limit $1
  for update skip locked
) as n
where a.tenant = n.tenant and a.person = n.person and a.competency = n.competency
returning a.tenant

-- name: supersede_merged
-- Few people are merged, and there are many credentials: the limits in the subqueries keep the planner
-- at one look by index for each.
with recursive chain as (
  select m.tenant, m.person, m.kept
  from credentials.person_merge as m
  where not m.is_retracted
  union
  select c.tenant, c.person, m.kept
  from chain as c
  join credentials.person_merge as m
    on m.tenant = c.tenant and m.person = c.kept and not m.is_retracted
), doubled as (
  select distinct c.tenant, c.person, o.competency
  from chain as c
  cross join lateral (
    select l.competency from credentials.credential as l
    where l.tenant = c.tenant and l.person = c.person and l.state in ('issued', 'suspended')
    offset 0
  ) as o
  cross join lateral (
    select from credentials.credential as l
    where l.tenant = c.tenant and l.person = c.kept and l.competency = o.competency
      and l.state in ('issued', 'suspended')
    limit 1
  ) as k
)
update credentials.award as a
set version = a.version + 1,
  event_ms = (extract(epoch from clock_timestamp()) * 1000)::bigint
from (
  select w.tenant, w.person, w.competency
  from credentials.award as w
  join doubled as d using (tenant, person, competency)
  where w.version = w.done_version
  order by w.tenant, w.person, w.competency
  limit $1
  for update of w skip locked
) as n
where a.tenant = n.tenant and a.person = n.person and a.competency = n.competency
returning a.tenant

-- name: restore_unmerged
-- What has failed is left to the operator, and whoever is merged otherwise to that merge.
update credentials.award as a
set version = a.version + 1,
  event_ms = (extract(epoch from clock_timestamp()) * 1000)::bigint
from (
  select w.tenant, w.person, w.competency
  from (
    select distinct m.tenant, m.person
    from credentials.person_merge as m
    where m.is_retracted and not exists (
      select from credentials.person_merge as other
      where other.tenant = m.tenant and other.person = m.person and not other.is_retracted)
  ) as u
  cross join lateral (
    select h.competency
    from credentials.award as h
    where h.tenant = u.tenant and h.person = u.person
      and h.source = 'manual' and h.standing = 'held' and h.failure is null
      and h.version = h.done_version
    offset 0
  ) as held
  join credentials.award as w
    on w.tenant = u.tenant and w.person = u.person and w.competency = held.competency
  where w.version = w.done_version
    and not exists (
      select from credentials.credential as c
      where c.tenant = w.tenant and c.person = w.person and c.competency = w.competency
        and c.state in ('intended', 'issued', 'suspended'))
    and (w.kind = 'participation' or not exists (
      select from credentials.outreach_person as o
      where o.tenant = w.tenant and o.person = w.person and o.removed_at is null)
      and not exists (
        select from credentials.outreach_tenant as o
        where o.tenant = w.tenant and o.removed_at is null))
  order by w.tenant, w.person, w.competency
  limit $1
  for update of w skip locked
) as n
where a.tenant = n.tenant and a.person = n.person and a.competency = n.competency
returning a.tenant

-- name: put_merges
insert into credentials.person_merge (tenant, merge, person, kept, is_retracted)
select n.tenant, n.merge, n.person, n.kept, n.is_retracted
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::boolean[])
  as n (tenant, merge, person, kept, is_retracted)
on conflict (tenant, merge) do update
set is_retracted = true
where excluded.is_retracted

-- name: work_of_people
-- Their awards are looked at again: something above them has changed.
update credentials.award as a
set version = a.version + 1
from (
  select w.tenant, w.person, w.competency
  from credentials.award as w
  where w.tenant = $1 and ($2::uuid[] is null or w.person = any($2))
  order by w.tenant, w.person, w.competency
  for update of w
) as n
where a.tenant = n.tenant and a.person = n.person and a.competency = n.competency

-- Awards by two people ----------------------------------------------------------------------------

-- name: insert_manual_award
insert into credentials.manual_award
  (tenant, manual, kind, competency, level, achieved_on, expires_on, timezone, reason, request,
   meaning, people, people_sha256, content_hash, proposed_by, proposed_signature)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)

-- name: insert_manual_people
insert into credentials.manual_person (tenant, manual, person)
select $1, $2, n.person from unnest($3::uuid[]) as n (person)

-- name: lock_manual_award
select manual, kind, competency, level, achieved_on, expires_on, timezone, reason, request, meaning,
  people, people_sha256, content_hash, proposed_by, proposed_at, approved_by, approved_at,
  cancelled_by, cancelled_at
from credentials.manual_award
where tenant = $1 and manual = $2
for update

-- name: people_of_manual_award
select person from credentials.manual_person where tenant = $1 and manual = $2 order by person

-- name: refused_people
-- Of whom nothing is awarded, whatever they hold. Who was found to be another is awarded as that one.
select p.person,
  case
    when m.person is not null then 'merged'
    else 'outreach'
  end as why
from credentials.manual_person as p
left join (
  select distinct tenant, person from credentials.person_merge where not is_retracted
) as m on m.tenant = p.tenant and m.person = p.person
where p.tenant = $1 and p.manual = $2
  and (m.person is not null
    or ($3::text = 'competency' and (
      exists (
        select from credentials.outreach_tenant as o
        where o.tenant = p.tenant and o.removed_at is null)
      or exists (
        select from credentials.outreach_person as o
        where o.tenant = p.tenant and o.person = p.person and o.removed_at is null))))

-- name: award_people
-- Those who hold it stay as they are, and so do those of whom a decision says otherwise. Work is taken
-- by its time: with 2 ms between two people, decisions that come meanwhile do not wait for all of them.
insert into credentials.award as a
  (tenant, person, competency, sequence, standing, level, achieved_on, expires_on, timezone, as_of,
   evidence_digest, event_ms, source, kind, manual)
select $1, n.person, $3, 0, 'held', $4, $5, $6, $7, clock_timestamp(), $8,
  (extract(epoch from now()) * 1000)::bigint + n.place * 2, 'manual', $9, $10
from unnest($2::uuid[]) with ordinality as n (person, place)
order by n.person
on conflict (tenant, person, competency) do update
set standing = 'held', level = excluded.level, achieved_on = excluded.achieved_on,
  expires_on = excluded.expires_on, timezone = excluded.timezone, as_of = excluded.as_of,
  decision = null, rule_id = null, rule_version = null, rule_hash = null,
  evidence_digest = excluded.evidence_digest, event_ms = excluded.event_ms, source = 'manual',
  kind = excluded.kind, manual = excluded.manual, reason = null, failure = null,
  version = a.version + 1
where (a.source = 'decision' and a.standing in ('withdrawn', 'expired'))
  or (a.source = 'manual' and a.standing <> 'held')
returning a.person

-- name: standings_of_people
select n.person, a.standing
from unnest($2::uuid[]) as n (person)
join credentials.award as a on a.tenant = $1 and a.person = n.person and a.competency = $3

-- name: settle_manual_people
update credentials.manual_person as p
set outcome = n.outcome, why = n.why
from unnest($3::uuid[], $4::text[], $5::text[]) as n (person, outcome, why)
where p.tenant = $1 and p.manual = $2 and p.person = n.person

-- name: approve_manual_award
update credentials.manual_award
set approved_by = $3, approved_signature = $4, approved_at = clock_timestamp()
where tenant = $1 and manual = $2

-- name: cancel_manual_award
update credentials.manual_award
set cancelled_by = $3, cancelled_at = clock_timestamp()
where tenant = $1 and manual = $2

-- name: list_manual_awards
select manual, kind, competency, level, achieved_on, expires_on, timezone, reason, request, meaning,
  people, content_hash, proposed_by, proposed_at, approved_by, approved_at, cancelled_by,
  cancelled_at
from credentials.manual_award
where tenant = $1 and manual > $2
order by manual
limit $3

-- name: find_manual_award
select manual, kind, competency, level, achieved_on, expires_on, timezone, reason, request, meaning,
  people, content_hash, proposed_by, proposed_at, approved_by, approved_at, cancelled_by,
  cancelled_at
from credentials.manual_award
where tenant = $1 and manual = $2

-- name: count_manual_people
-- How far it has come, in numbers of people. It is asked again and again while many are issued.
select
  case
    when p.outcome is distinct from 'awarded' then coalesce(p.outcome, 'proposed')
    when p.withdrawal is not null then 'withdrawn'
    when c.person is not null then 'issued'
    when a.failure is not null then 'failed'
    when a.manual is distinct from p.manual then 'replaced'
    when a.version = a.done_version then 'not_issued'
    else 'waiting'
  end as status,
  count(*) as people
from credentials.manual_person as p
join credentials.manual_award as m using (tenant, manual)
left join credentials.award as a
  on a.tenant = p.tenant and a.person = p.person and a.competency = m.competency
-- Looked up person by person, whatever the planner thinks of rows that are new to it.
left join lateral (
  select c.person from credentials.credential as c
  where c.tenant = p.tenant and c.person = p.person and c.manual = p.manual
    and c.state <> 'intended'
  limit 1
) as c on true
where p.tenant = $1 and p.manual = $2
group by 1

-- name: list_manual_people
select p.person, p.why, p.withdrawal, a.failure, c.credential, c.state,
  case
    when p.outcome is distinct from 'awarded' then coalesce(p.outcome, 'proposed')
    when p.withdrawal is not null then 'withdrawn'
    when c.state is not null then 'issued'
    when a.failure is not null then 'failed'
    when a.manual is distinct from p.manual then 'replaced'
    when a.version = a.done_version then 'not_issued'
    else 'waiting'
  end as status
from credentials.manual_person as p
join credentials.manual_award as m using (tenant, manual)
left join credentials.award as a
  on a.tenant = p.tenant and a.person = p.person and a.competency = m.competency
left join lateral (
  select c.credential, c.state from credentials.credential as c
  where c.tenant = p.tenant and c.person = p.person and c.manual = p.manual
    and c.state <> 'intended'
  order by c.issued_at desc
  limit 1
) as c on true
where p.tenant = $1 and p.manual = $2 and p.person > $3
order by p.person
limit $4

-- name: insert_manual_withdrawal
insert into credentials.manual_withdrawal
  (tenant, withdrawal, manual, person, reason, meaning, content_hash, proposed_by,
   proposed_signature)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: lock_manual_withdrawal
select withdrawal, manual, person, reason, meaning, proposed_by, approved_by
from credentials.manual_withdrawal
where tenant = $1 and withdrawal = $2
for update

-- name: approve_manual_withdrawal
update credentials.manual_withdrawal
set approved_by = $3, approved_signature = $4, approved_at = clock_timestamp()
where tenant = $1 and withdrawal = $2

-- name: withdraw_people
-- Those of whom a decision has taken over stand on that.
update credentials.award as a
set standing = 'revoked', reason = 'withdrawn_by_hand', version = a.version + 1,
  event_ms = (extract(epoch from clock_timestamp()) * 1000)::bigint
from (
  select w.tenant, w.person, w.competency
  from credentials.award as w
  where w.tenant = $1 and w.manual = $2 and ($3::uuid is null or w.person = $3)
    and w.source = 'manual' and w.standing in ('held', 'expired')
  order by w.tenant, w.person, w.competency
  for update of w
) as n
where a.tenant = n.tenant and a.person = n.person and a.competency = n.competency
returning a.person

-- name: note_withdrawal
update credentials.manual_person
set withdrawal = $4
where tenant = $1 and manual = $2 and person = any($3::uuid[])

-- name: list_manual_withdrawals
select withdrawal, manual, person, reason, meaning, content_hash, proposed_by, proposed_at,
  approved_by, approved_at
from credentials.manual_withdrawal
where tenant = $1 and manual = $2 and withdrawal > $3
order by withdrawal
limit $4

-- The outreach realm -------------------------------------------------------------------------------

-- name: add_outreach_tenant
insert into credentials.outreach_tenant as o (tenant, added_by) values ($1, $2)
on conflict (tenant) do update
set added_by = excluded.added_by, added_at = now(), removed_at = null
where o.removed_at is not null
returning tenant

-- name: remove_outreach_tenant
update credentials.outreach_tenant set removed_at = now()
where tenant = $1 and removed_at is null
returning tenant

-- name: add_outreach_people
insert into credentials.outreach_person as o (tenant, person, added_by)
select $1, n.person, $3 from unnest($2::uuid[]) as n (person) order by n.person
on conflict (tenant, person) do update
set added_by = excluded.added_by, added_at = now(), removed_at = null
where o.removed_at is not null
returning person

-- name: remove_outreach_people
update credentials.outreach_person as o set removed_at = now()
from unnest($2::uuid[]) as n (person)
where o.tenant = $1 and o.person = n.person and o.removed_at is null
returning o.person

-- name: list_outreach_people
select person, added_by, added_at
from credentials.outreach_person
where tenant = $1 and removed_at is null and person > $2
order by person
limit $3

-- name: has_outreach_tenant
select exists (
  select from credentials.outreach_tenant where tenant = $1 and removed_at is null) as is_outreach
