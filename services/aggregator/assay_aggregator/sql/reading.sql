-- Reading: the matrix, what expires, gaps, and the counts over many people. $1 is the tenant. Of
-- records, $2 is a time of the log (null for what stands now) and $3 the local day asked about.

-- Whom it is about --------------------------------------------------------------------------------

-- name: organisations_below
-- An organisation and all that stands below it.
with recursive down (organisation) as (
  select organisation from aggregator.organisation where tenant = $1 and organisation = $2
  union
  select o.organisation
  from down join aggregator.organisation as o on o.tenant = $1 and o.parent = down.organisation
)
select organisation from down order by organisation

-- name: cohort
select cohort, name, standard, starts_on, ends_on
from aggregator.cohort
where tenant = $1 and cohort = $2

-- name: people_of_tenant
-- Everybody who is not merged into somebody else.
select p.person
from aggregator.person as p
where p.tenant = $1 and ($4::uuid is null or p.person > $4) and $3::date is not null
  and not exists (
    select from aggregator.person_merge as m
    where m.tenant = p.tenant and m.merged = p.person
      and case when $2::bigint is null then m.retracted_ms is null
        else m.recorded_ms <= $2 and (m.retracted_ms is null or m.retracted_ms > $2) end)
order by p.person
limit $5

-- name: people_of_role
select distinct e.person
from aggregator.employment as e
where e.tenant = $1 and e.role = $6 and ($4::uuid is null or e.person > $4)
  and (e.valid_from is null or e.valid_from <= $3) and (e.valid_to is null or e.valid_to >= $3)
  and case when $2::bigint is null then e.retracted_ms is null
    else e.recorded_ms <= $2 and (e.retracted_ms is null or e.retracted_ms > $2) end
order by e.person
limit $5

-- name: people_of_organisations
-- A page of each organisation in the order of its people, and of those the first.
select distinct found.person
from unnest($6::text[]) as wanted (organisation)
cross join lateral (
  select distinct e.person
  from aggregator.employment as e
  where e.tenant = $1 and e.organisation = wanted.organisation
    and ($4::uuid is null or e.person > $4) and ($7::text is null or e.role = $7)
    and (e.valid_from is null or e.valid_from <= $3) and (e.valid_to is null or e.valid_to >= $3)
    and case when $2::bigint is null then e.retracted_ms is null
      else e.recorded_ms <= $2 and (e.retracted_ms is null or e.retracted_ms > $2) end
  order by e.person
  limit $5) as found
order by found.person
limit $5

-- name: people_of_cohort
select distinct c.person
from aggregator.cohort_member as c
where c.tenant = $1 and c.cohort = $6 and ($4::uuid is null or c.person > $4)
  and (c.valid_from is null or c.valid_from <= $3) and (c.valid_to is null or c.valid_to >= $3)
  and case when $2::bigint is null then c.retracted_ms is null
    else c.recorded_ms <= $2 and (c.retracted_ms is null or c.retracted_ms > $2) end
  and (($7::text[] is null and $8::text is null) or exists (
    select from aggregator.employment as e
    where e.tenant = c.tenant and e.person = c.person
      and ($7::text[] is null or e.organisation = any($7)) and ($8::text is null or e.role = $8)
      and (e.valid_from is null or e.valid_from <= $3) and (e.valid_to is null or e.valid_to >= $3)
      and case when $2::bigint is null then e.retracted_ms is null
        else e.recorded_ms <= $2 and (e.retracted_ms is null or e.retracted_ms > $2) end))
order by c.person
limit $5

-- name: people_with_status
-- A page of each competency and status in the order of its people, and of those the first.
select distinct found.person
from unnest($4::text[]) as asked (competency)
cross join unnest($5::text[]) as shown (status)
cross join lateral (
  select d.person
  from aggregator.decision_current as d
  where d.tenant = $1 and d.competency = asked.competency and d.status = shown.status
    and ($2::uuid is null or d.person > $2)
  order by d.person
  limit $3) as found
order by found.person
limit $3

-- name: assignments_of
-- In which roles, and where, people are employed.
select e.person, e.organisation, e.role, e.valid_from
from aggregator.employment as e
where e.tenant = $1 and e.person = any($4::uuid[]) and e.role is not null
  and (e.valid_from is null or e.valid_from <= $3) and (e.valid_to is null or e.valid_to >= $3)
  and case when $2::bigint is null then e.retracted_ms is null
    else e.recorded_ms <= $2 and (e.retracted_ms is null or e.retracted_ms > $2) end
order by e.person, e.role, e.organisation, e.valid_from

-- What is asked of them ---------------------------------------------------------------------------

-- name: role_names
select role, name
from aggregator.role
where tenant = $1 and ($2::text[] is null or role = any($2))
order by role

-- name: requirements
select r.role, r.competency, r.level
from aggregator.role_requirement as r
where r.tenant = $1 and ($3::text[] is null or r.role = any($3))
  and case when $2::bigint is null then r.retracted_ms is null
    else r.recorded_ms <= $2 and (r.retracted_ms is null or r.retracted_ms > $2) end
order by r.role, r.competency

-- name: competency_names
select competency, code, name
from aggregator.competency
where tenant = $1 and competency = any($2::text[])

-- name: organisation_names
select organisation, name
from aggregator.organisation
where tenant = $1 and organisation = any($2::text[])

-- What they hold ----------------------------------------------------------------------------------

-- name: cells
select d.person, d.competency, d.status, d.level, d.achieved_on, d.expires_on
from aggregator.decision_current as d
where d.tenant = $1 and d.person = any($2::uuid[]) and d.competency = any($3::text[])

-- name: marks_of
-- What waits to be decided anew.
select m.person, m.competency
from aggregator.mark as m
where m.tenant = $1 and m.person = any($2::uuid[]) and m.competency = any($3::text[])

-- name: wakeups_of
-- What time alone will change by then, of what stands now.
select w.person, w.competency
from aggregator.wakeup as w
where w.tenant = $1 and w.person = any($2::uuid[]) and w.competency = any($3::text[])
  and w.due_ms <= $4

-- name: expiring
-- Awards in the order of their last valid days, behind the key ($6, $7, $8).
select d.person, d.competency, d.status, d.level, d.achieved_on, d.expires_on,
  exists (
    select from aggregator.employment as e
    join aggregator.role_requirement as r
      on r.tenant = e.tenant and r.role = e.role and r.competency = d.competency
      and r.retracted_ms is null
    where e.tenant = d.tenant and e.person = d.person and e.retracted_ms is null
      and (e.valid_from is null or e.valid_from <= $3)
      and (e.valid_to is null or e.valid_to >= $3)) as assigned
from aggregator.decision_current as d
where d.tenant = $1 and $2::bigint is null and d.expires_on is not null
  and d.status in ('achieved', 'expired')
  and d.expires_on >= $4 and d.expires_on <= $5
  and ($6::date is null or (d.expires_on, d.person, d.competency) > ($6, $7::uuid, $8::text))
  and ($9::text[] is null or d.competency = any($9))
  and (($10::text[] is null and $11::text is null) or exists (
    select from aggregator.employment as e
    where e.tenant = d.tenant and e.person = d.person and e.retracted_ms is null
      and ($10::text[] is null or e.organisation = any($10))
      and ($11::text is null or e.role = $11)
      and (e.valid_from is null or e.valid_from <= $3)
      and (e.valid_to is null or e.valid_to >= $3)))
  and ($12::text is null or exists (
    select from aggregator.cohort_member as c
    where c.tenant = d.tenant and c.person = d.person and c.cohort = $12
      and c.retracted_ms is null
      and (c.valid_from is null or c.valid_from <= $3)
      and (c.valid_to is null or c.valid_to >= $3)))
  and (d.status = 'achieved' or exists (
    select from aggregator.employment as e
    join aggregator.role_requirement as r
      on r.tenant = e.tenant and r.role = e.role and r.competency = d.competency
      and r.retracted_ms is null
    where e.tenant = d.tenant and e.person = d.person and e.retracted_ms is null
      and (e.valid_from is null or e.valid_from <= $3)
      and (e.valid_to is null or e.valid_to >= $3)))
order by d.expires_on, d.person, d.competency
limit $13

-- name: awards
-- Every award that the decisions of these people told of, in the order in which they were made.
select d.person, d.ordinal, d.status, d.level, d.achieved_on, d.expires_on
from unnest($2::uuid[]) as wanted (person)
join aggregator.decision as d on d.tenant = $1 and d.person = wanted.person and d.competency = $3
where d.known_at_ms <= $4
order by d.person, d.ordinal

-- name: people_decided
-- Who has a decision on a competency.
select d.person
from aggregator.decision_current as d
where d.tenant = $1 and d.competency = $2 and ($3::uuid is null or d.person > $3)
order by d.person
limit $4

-- Counts as of now, of some people. They say what `holding` says; a test compares the two. --------

-- name: readiness
-- People assigned, and those with all that is asked for; a null organisation is all of them.
with asked as (
  select r.role, r.competency, r.level
  from aggregator.role_requirement as r
  where r.tenant = $1 and r.retracted_ms is null
), needed as (
  select role, count(*) filter (where level is distinct from 0) as many
  from asked group by role
), assigned as (
  select distinct e.person, e.role, e.organisation
  from aggregator.employment as e
  where e.tenant = $1 and e.person = any($3::uuid[])
    and e.role is not null and e.retracted_ms is null
    and (e.valid_from is null or e.valid_from <= $2) and (e.valid_to is null or e.valid_to >= $2)
), met as (
  select a.person, a.role, count(*) as many
  from (select distinct person, role from assigned) as a
  join asked as r on r.role = a.role and r.level is distinct from 0
  join aggregator.decision_current as d
    on d.tenant = $1 and d.person = a.person and d.competency = r.competency
    and d.status = 'achieved' and (r.level is null or d.level >= r.level)
  group by a.person, a.role
)
select a.role as key, a.organisation, count(distinct a.person) as people,
  count(distinct a.person) filter (where coalesce(m.many, 0) = n.many) as yes,
  0::bigint as total
from assigned as a
join needed as n on n.role = a.role
left join met as m on m.person = a.person and m.role = a.role
group by grouping sets ((a.role, a.organisation), (a.role))

-- name: gaps_by_organisation
-- People of whom a competency is asked, those with a gap, and the gaps together.
with assigned as (
  select distinct e.person, e.role, e.organisation
  from aggregator.employment as e
  where e.tenant = $1 and e.person = any($3::uuid[])
    and e.role is not null and e.retracted_ms is null
    and (e.valid_from is null or e.valid_from <= $2) and (e.valid_to is null or e.valid_to >= $2)
), gap as (
  select a.person, a.organisation, r.competency,
    max(case
      when r.level = 0 or d.status = 'achieved' and (r.level is null or d.level >= r.level) then 0
      else greatest(0, coalesce(r.level, 1)
        - case when d.status = 'achieved' then coalesce(d.level, 0) else 0 end)
      end) as gap
  from assigned as a
  join aggregator.role_requirement as r
    on r.tenant = $1 and r.role = a.role and r.retracted_ms is null
  left join aggregator.decision_current as d
    on d.tenant = $1 and d.person = a.person and d.competency = r.competency
  group by a.person, a.organisation, r.competency
)
select g.competency as key, g.organisation, count(*) as people,
  count(*) filter (where g.gap > 0) as yes, sum(g.gap)::bigint as total
from gap as g
group by g.competency, g.organisation
union all
select w.competency, null, count(*), count(*) filter (where w.gap > 0), sum(w.gap)::bigint
from (
  select person, competency, max(gap) as gap from gap group by person, competency
) as w
group by w.competency
