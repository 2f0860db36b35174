-- People, organisations and cohorts: $1 is always the tenant. Records stand while they are not
-- retracted; $2 of the questions about the past is a time of the log, null for what stands now.

-- Organisations and cohorts -----------------------------------------------------------------------

-- name: find_organisation
select organisation, name, kind, parent
from aggregator.organisation
where tenant = $1 and organisation = $2

-- name: put_organisation
insert into aggregator.organisation (tenant, organisation, name, kind, parent)
values ($1, $2, $3, $4, $5)
on conflict (tenant, organisation) do update
set name = excluded.name, kind = excluded.kind, parent = excluded.parent

-- name: is_below
-- Whether $2 is $3, or stands somewhere below it.
with recursive up (organisation, parent) as (
  select organisation, parent from aggregator.organisation where tenant = $1 and organisation = $2
  union
  select o.organisation, o.parent
  from up join aggregator.organisation as o on o.tenant = $1 and o.organisation = up.parent
)
select exists (select 1 from up where organisation = $3) as below

-- name: list_organisations
select organisation, name, kind, parent
from aggregator.organisation
where tenant = $1
  and ($2::text is null or kind = $2)
  and ($3::text is null or parent = $3)
  and ($4::text is null or organisation > $4)
order by organisation
limit $5

-- name: known_organisations
select organisation from aggregator.organisation where tenant = $1 and organisation = any($2::text[])

-- name: find_cohort
select cohort, name, standard, starts_on, ends_on
from aggregator.cohort
where tenant = $1 and cohort = $2

-- name: put_cohort
insert into aggregator.cohort (tenant, cohort, name, standard, starts_on, ends_on)
values ($1, $2, $3, $4, $5, $6)
on conflict (tenant, cohort) do update
set name = excluded.name, standard = excluded.standard, starts_on = excluded.starts_on,
  ends_on = excluded.ends_on

-- name: list_cohorts
select cohort, name, standard, starts_on, ends_on
from aggregator.cohort
where tenant = $1
  and ($2::text is null or standard = $2)
  and ($3::text is null or cohort > $3)
order by cohort
limit $4

-- name: known_cohorts
select cohort from aggregator.cohort where tenant = $1 and cohort = any($2::text[])

-- Reading records ---------------------------------------------------------------------------------

-- name: employments_of_person
select employment, person, organisation, role, valid_from, valid_to, recorded_ms, retracted_ms
from aggregator.employment
where tenant = $1 and person = $3
  and ($2::bigint is null and retracted_ms is null
    or recorded_ms <= $2 and (retracted_ms is null or retracted_ms > $2))
  and ($4::date is null
    or (valid_from is null or valid_from <= $4) and (valid_to is null or valid_to >= $4))
order by valid_from nulls first, employment

-- name: employments_of_organisation
select employment, person, organisation, role, valid_from, valid_to, recorded_ms, retracted_ms
from aggregator.employment
where tenant = $1 and organisation = $3
  and ($2::bigint is null and retracted_ms is null
    or recorded_ms <= $2 and (retracted_ms is null or retracted_ms > $2))
  and ($4::date is null
    or (valid_from is null or valid_from <= $4) and (valid_to is null or valid_to >= $4))
  and ($5::uuid is null or employment > $5)
order by employment
limit $6

-- name: memberships_of_person
select membership, person, cohort, valid_from, valid_to, recorded_ms, retracted_ms
from aggregator.cohort_member
where tenant = $1 and person = $3
  and ($2::bigint is null and retracted_ms is null
    or recorded_ms <= $2 and (retracted_ms is null or retracted_ms > $2))
  and ($4::date is null
    or (valid_from is null or valid_from <= $4) and (valid_to is null or valid_to >= $4))
order by valid_from nulls first, membership

-- name: memberships_of_cohort
select membership, person, cohort, valid_from, valid_to, recorded_ms, retracted_ms
from aggregator.cohort_member
where tenant = $1 and cohort = $3
  and ($2::bigint is null and retracted_ms is null
    or recorded_ms <= $2 and (retracted_ms is null or retracted_ms > $2))
  and ($4::date is null
    or (valid_from is null or valid_from <= $4) and (valid_to is null or valid_to >= $4))
  and ($5::uuid is null or membership > $5)
order by membership
limit $6

-- name: list_authorisations
-- `first_ms` is when it was recorded before any merge of people moved it.
with recursive found as (
  select authorisation, assessor, scope, valid_from, valid_to, recorded_ms, retracted_ms
  from aggregator.assessor_authorisation
  where tenant = $1
    and ($2::uuid is null or assessor = $2)
    and ($3::text is null or scope = $3)
    and ($4 or retracted_ms is null)
    and ($5::uuid is null or authorisation > $5)
  order by authorisation
  limit $6
), origin (authorisation, earlier, recorded_ms) as (
  select authorisation, authorisation, recorded_ms from found
  union
  select o.authorisation, a.authorisation, a.recorded_ms
  from origin as o
  join aggregator.merge_move as m
    on m.tenant = $1 and m.kind = 'authorisation' and m.made = o.earlier
  join aggregator.assessor_authorisation as a on a.tenant = $1 and a.authorisation = m.was
)
select f.authorisation, f.assessor, f.scope, f.valid_from, f.valid_to, f.recorded_ms,
  f.retracted_ms, min(o.recorded_ms) as first_ms
from found as f join origin as o using (authorisation)
group by f.authorisation, f.assessor, f.scope, f.valid_from, f.valid_to, f.recorded_ms,
  f.retracted_ms
order by f.authorisation

-- name: list_conflicts
with recursive found as (
  select conflict, assessor, person, valid_from, valid_to, recorded_ms, retracted_ms
  from aggregator.assessor_conflict
  where tenant = $1
    and ($2::uuid is null or assessor = $2 or person = $2)
    and ($3 or retracted_ms is null)
    and ($4::uuid is null or conflict > $4)
  order by conflict
  limit $5
), origin (conflict, earlier, recorded_ms) as (
  select conflict, conflict, recorded_ms from found
  union
  select o.conflict, a.conflict, a.recorded_ms
  from origin as o
  join aggregator.merge_move as m
    on m.tenant = $1 and m.kind = 'conflict' and m.made = o.earlier
  join aggregator.assessor_conflict as a on a.tenant = $1 and a.conflict = m.was
)
select f.conflict, f.assessor, f.person, f.valid_from, f.valid_to, f.recorded_ms, f.retracted_ms,
  min(o.recorded_ms) as first_ms
from found as f join origin as o using (conflict)
group by f.conflict, f.assessor, f.person, f.valid_from, f.valid_to, f.recorded_ms, f.retracted_ms
order by f.conflict

-- name: links_of_person
select link, agent_key, automatic, valid_from, valid_to, recorded_ms, retracted_ms
from aggregator.identity_link
where tenant = $1 and person = $2
order by automatic desc, recorded_ms nulls first, link

-- Records that a merge moves: for each kind the same three queries --------------------------------

-- name: standing_links
select link as id
from aggregator.identity_link
where tenant = $1 and person = $2 and not automatic and retracted_ms is null
order by link

-- name: rows_of_links
select link as id, agent, agent_key, person, valid_from, valid_to
from aggregator.identity_link
where tenant = $1 and link = any($2::uuid[])

-- name: retract_links
update aggregator.identity_link
set retracted_ms = $2
where tenant = $1 and link = any($3::uuid[]) and not automatic and retracted_ms is null
returning link as id, agent, agent_key, person, valid_from, valid_to

-- name: record_links
insert into aggregator.identity_link
  (tenant, link, agent, agent_key, person, automatic, valid_from, valid_to, recorded_ms)
select $1, id, agent, agent_key, person, false, valid_from, valid_to, $2
from unnest($3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::date[], $8::date[])
  as n (id, agent, agent_key, person, valid_from, valid_to)

-- name: standing_authorisations
select authorisation as id
from aggregator.assessor_authorisation
where tenant = $1 and assessor = $2 and retracted_ms is null
order by authorisation

-- name: rows_of_authorisations
select authorisation as id, assessor, scope, valid_from, valid_to
from aggregator.assessor_authorisation
where tenant = $1 and authorisation = any($2::uuid[])

-- name: retract_authorisations
update aggregator.assessor_authorisation
set retracted_ms = $2
where tenant = $1 and authorisation = any($3::uuid[]) and retracted_ms is null
returning authorisation as id, assessor, scope, valid_from, valid_to

-- name: record_authorisations
insert into aggregator.assessor_authorisation
  (tenant, authorisation, assessor, scope, valid_from, valid_to, recorded_ms)
select $1, id, assessor, scope, valid_from, valid_to, $2
from unnest($3::uuid[], $4::uuid[], $5::text[], $6::date[], $7::date[])
  as n (id, assessor, scope, valid_from, valid_to)

-- name: standing_conflicts
select conflict as id
from aggregator.assessor_conflict
where tenant = $1 and (assessor = $2 or person = $2) and retracted_ms is null
order by conflict

-- name: rows_of_conflicts
select conflict as id, assessor, person, valid_from, valid_to
from aggregator.assessor_conflict
where tenant = $1 and conflict = any($2::uuid[])

-- name: retract_conflicts
update aggregator.assessor_conflict
set retracted_ms = $2
where tenant = $1 and conflict = any($3::uuid[]) and retracted_ms is null
returning conflict as id, assessor, person, valid_from, valid_to

-- name: record_conflicts
insert into aggregator.assessor_conflict
  (tenant, conflict, assessor, person, valid_from, valid_to, recorded_ms)
select $1, id, assessor, person, valid_from, valid_to, $2
from unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::date[], $7::date[])
  as n (id, assessor, person, valid_from, valid_to)

-- name: standing_employments
select employment as id
from aggregator.employment
where tenant = $1 and person = $2 and retracted_ms is null
order by employment

-- name: rows_of_employments
select employment as id, person, organisation, role, valid_from, valid_to
from aggregator.employment
where tenant = $1 and employment = any($2::uuid[])

-- name: retract_employments
update aggregator.employment
set retracted_ms = $2
where tenant = $1 and employment = any($3::uuid[]) and retracted_ms is null
returning employment as id, person, organisation, role, valid_from, valid_to

-- name: record_employments
insert into aggregator.employment
  (tenant, employment, person, organisation, role, valid_from, valid_to, recorded_ms)
select $1, id, person, organisation, role, valid_from, valid_to, $2
from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::date[], $8::date[])
  as n (id, person, organisation, role, valid_from, valid_to)

-- name: standing_memberships
select membership as id
from aggregator.cohort_member
where tenant = $1 and person = $2 and retracted_ms is null
order by membership

-- name: rows_of_memberships
select membership as id, person, cohort, valid_from, valid_to
from aggregator.cohort_member
where tenant = $1 and membership = any($2::uuid[])

-- name: retract_memberships
update aggregator.cohort_member
set retracted_ms = $2
where tenant = $1 and membership = any($3::uuid[]) and retracted_ms is null
returning membership as id, person, cohort, valid_from, valid_to

-- name: record_memberships
insert into aggregator.cohort_member
  (tenant, membership, person, cohort, valid_from, valid_to, recorded_ms)
select $1, id, person, cohort, valid_from, valid_to, $2
from unnest($3::uuid[], $4::uuid[], $5::text[], $6::date[], $7::date[])
  as n (id, person, cohort, valid_from, valid_to)

-- Merges ------------------------------------------------------------------------------------------

-- name: insert_merge
insert into aggregator.person_merge (tenant, merge, kept, merged, recorded_ms)
values ($1, $2, $3, $4, $5)

-- name: find_merge
select merge, kept, merged, recorded_ms, retracted_ms
from aggregator.person_merge
where tenant = $1 and merge = $2

-- name: retract_merge
update aggregator.person_merge
set retracted_ms = $3
where tenant = $1 and merge = $2 and retracted_ms is null

-- name: list_merges
select merge, kept, merged, recorded_ms, retracted_ms
from aggregator.person_merge
where tenant = $1
  and ($2::uuid is null or kept = $2 or merged = $2)
  and ($3::uuid is null or merge > $3)
order by merge
limit $4

-- name: insert_moves
insert into aggregator.merge_move (tenant, merge, kind, made, was)
select $1, $2, kind, made, was
from unnest($3::text[], $4::uuid[], $5::uuid[]) as n (kind, made, was)

-- name: moves_of
select kind, made, was
from aggregator.merge_move
where tenant = $1 and merge = $2
order by kind, made

-- name: succeed_moves
-- What took the place of a record that a standing merge made is that merge's, too.
insert into aggregator.merge_move (tenant, merge, kind, made, was)
select $1, v.merge, $2, n.made, v.was
from unnest($3::uuid[], $4::uuid[]) as n (was, made)
join aggregator.merge_move as v on v.tenant = $1 and v.kind = $2 and v.made = n.was
join aggregator.person_merge as p on p.tenant = $1 and p.merge = v.merge and p.retracted_ms is null
order by v.merge, n.made

-- name: signed_for
-- An override that has not ended, or an open review: it names the person and was signed so.
select 1
where exists (
    select 1 from aggregator.override
    where tenant = $1 and person = $2 and retracted_ms is null and valid_to >= $3)
  or exists (
    select 1 from aggregator.review where tenant = $1 and person = $2 and retracted_ms is null)

-- name: merge_of_gap
-- The standing merge that made this link for the days of an automatic one.
select v.merge
from aggregator.merge_move as v
join aggregator.person_merge as p on p.tenant = $1 and p.merge = v.merge and p.retracted_ms is null
where v.tenant = $1 and v.kind = 'link' and v.made = $2 and v.was is null

-- Collisions --------------------------------------------------------------------------------------

-- name: link_collisions
-- Two standing links of one agent to different people, on the same days. Few agents have links to
-- different people at all: they are found first, so that the join stays small without statistics.
with several as materialized (
  select l.agent
  from aggregator.identity_link as l
  where l.tenant = $1 and not l.automatic and l.retracted_ms is null
  group by l.agent
  having count(distinct l.person) > 1
), standing as materialized (
  select l.agent, l.agent_key, l.link, l.person, l.valid_from, l.valid_to
  from several join aggregator.identity_link as l on l.tenant = $1 and l.agent = several.agent
  where not l.automatic and l.retracted_ms is null
)
select a.agent_key, a.link, a.person, b.link as other_link, b.person as other_person,
  greatest(a.valid_from, b.valid_from) as valid_from, least(a.valid_to, b.valid_to) as valid_to
from standing as a
join standing as b on b.agent = a.agent and b.link > a.link and b.person <> a.person
where coalesce(a.valid_from, '-infinity') <= coalesce(b.valid_to, 'infinity')
  and coalesce(b.valid_from, '-infinity') <= coalesce(a.valid_to, 'infinity')
  and ($2::uuid is null or (a.link, b.link) > ($2, $3))
order by a.link, b.link
limit $4

-- name: collisions_of_link
select distinct b.person
from aggregator.identity_link as a
join aggregator.identity_link as b
  on b.tenant = a.tenant and b.agent = a.agent and b.person <> a.person
where a.tenant = $1 and a.link = $2
  and not b.automatic and b.retracted_ms is null
  and coalesce(a.valid_from, '-infinity') <= coalesce(b.valid_to, 'infinity')
  and coalesce(b.valid_from, '-infinity') <= coalesce(a.valid_to, 'infinity')
order by b.person

-- name: insert_contradictions
-- Of the same agents one stands; the agents come sorted.
insert into aggregator.identity_contradiction
  (tenant, contradiction, agents, place, recorded_ms)
select $1, contradiction, string_to_array(n.agents, ' ')::uuid[], place, $2
from unnest($3::uuid[], $4::text[], $5::text[]) as n (contradiction, agents, place)
where not exists (
  select 1 from aggregator.identity_contradiction as c
  where c.tenant = $1 and c.retracted_ms is null
    and c.agents = string_to_array(n.agents, ' ')::uuid[])

-- name: list_contradictions
-- Those that nobody has set aside and whose agents are still different people. An agent is who its
-- stated links say, else its own person.
select c.contradiction, c.place, c.recorded_ms, w.people
from aggregator.identity_contradiction as c
cross join lateral (
  select array_agg(distinct l.person order by l.person) as people
  from aggregator.identity_link as l
  where l.tenant = c.tenant and l.agent = any(c.agents) and l.retracted_ms is null
    and (not l.automatic or not exists (
      select 1 from aggregator.identity_link as s
      where s.tenant = l.tenant and s.agent = l.agent and not s.automatic
        and s.retracted_ms is null))
) as w
where c.tenant = $1 and c.retracted_ms is null
  and cardinality(w.people) > 1
  and ($2::uuid is null or c.contradiction > $2)
order by c.contradiction
limit $3

-- name: retract_contradiction
update aggregator.identity_contradiction
set retracted_ms = $3
where tenant = $1 and contradiction = $2 and retracted_ms is null

-- Rosters -----------------------------------------------------------------------------------------

-- name: people_with_records
-- Those of the people about whom anything was stated, and that stands.
select person
from unnest($2::uuid[]) as wanted (person)
where exists (
    select 1 from aggregator.identity_link as l
    where l.tenant = $1 and l.person = wanted.person and not l.automatic
      and l.retracted_ms is null)
  or exists (
    select 1 from aggregator.employment as e
    where e.tenant = $1 and e.person = wanted.person and e.retracted_ms is null)
  or exists (
    select 1 from aggregator.cohort_member as m
    where m.tenant = $1 and m.person = wanted.person and m.retracted_ms is null)
  or exists (
    select 1 from aggregator.assessor_authorisation as a
    where a.tenant = $1 and a.assessor = wanted.person and a.retracted_ms is null)

-- name: standing_employments_of
select employment as id, person, organisation, role, valid_from, valid_to
from aggregator.employment
where tenant = $1 and person = any($2::uuid[]) and retracted_ms is null

-- name: standing_memberships_of
select membership as id, person, cohort, valid_from, valid_to
from aggregator.cohort_member
where tenant = $1 and person = any($2::uuid[]) and retracted_ms is null

-- name: count_collisions
-- Of every tenant, for the gauge: pairs of links, and contradictions of rosters.
with several as materialized (
  select l.tenant, l.agent
  from aggregator.identity_link as l
  where not l.automatic and l.retracted_ms is null
  group by l.tenant, l.agent
  having count(distinct l.person) > 1
), standing as materialized (
  select l.tenant, l.agent, l.link, l.person, l.valid_from, l.valid_to
  from several join aggregator.identity_link as l using (tenant, agent)
  where not l.automatic and l.retracted_ms is null
)
select (
    select count(*)
    from standing as a
    join standing as b
      on b.tenant = a.tenant and b.agent = a.agent and b.link > a.link and b.person <> a.person
    where coalesce(a.valid_from, '-infinity') <= coalesce(b.valid_to, 'infinity')
      and coalesce(b.valid_from, '-infinity') <= coalesce(a.valid_to, 'infinity')
  ) + (
    select count(*) from aggregator.identity_contradiction as c
    where c.retracted_ms is null and 1 < (
      select count(distinct l.person)
      from aggregator.identity_link as l
      where l.tenant = c.tenant and l.agent = any(c.agents) and l.retracted_ms is null
        and (not l.automatic or not exists (
          select 1 from aggregator.identity_link as s
          where s.tenant = l.tenant and s.agent = l.agent and not s.automatic
            and s.retracted_ms is null)))
  ) as collisions
