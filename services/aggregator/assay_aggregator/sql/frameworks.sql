-- name: lock_framework
-- Two imports of one framework, or of one tenant's roles, go one after the other.
select pg_advisory_xact_lock(hashtextextended($1, 0))

-- name: newest_framework
select framework, version, uri, title, framework_type, attribution, hash, frame, findings,
  recorded_ms
from aggregator.framework
where tenant = $1 and framework = $2
order by version desc
limit 1

-- name: count_frameworks
select count(distinct framework) as frameworks from aggregator.framework where tenant = $1

-- name: insert_framework
insert into aggregator.framework
  (tenant, framework, version, uri, title, framework_type, attribution, hash, frame, findings,
   recorded_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: insert_framework_objects
insert into aggregator.framework_object
  (tenant, framework, version, section, position, identifier, origin, destination, body)
select $1, $2, $3, section, position, identifier, origin, destination, body::json
from unnest($4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[])
  as given (section, position, identifier, origin, destination, body)

-- name: list_frameworks
-- The newest version of each, after an identifier.
select distinct on (framework) framework, version, uri, title, framework_type, attribution, hash,
  frame, findings, recorded_ms
from aggregator.framework
where tenant = $1 and framework > $2
order by framework, version desc
limit $3

-- name: framework_sections
select section, count(*) as objects
from aggregator.framework_object
where tenant = $1 and framework = $2 and version = $3
group by section

-- name: framework_page
-- Members of one list of a package, in order.
select position, body
from aggregator.framework_object
where tenant = $1 and framework = $2 and version = $3 and section = $4 and position > $5
order by position
limit $6

-- name: find_object
-- An object of the newest version of a framework; of several frameworks the one imported last.
select o.framework, o.version, o.body, f.title, f.uri, f.frame
from aggregator.framework_object as o
join aggregator.framework as f
  on f.tenant = o.tenant and f.framework = o.framework and f.version = o.version
where o.tenant = $1 and o.identifier = $2 and o.section = $3
  and o.version = (
    select max(n.version) from aggregator.framework as n
    where n.tenant = o.tenant and n.framework = o.framework
  )
order by f.recorded_ms desc, o.framework
limit 1

-- name: associations_of
-- Those that begin or end at a node, in the newest version of each framework.
select o.framework, o.position, o.body
from aggregator.framework_object as o
where o.tenant = $1 and (o.origin = $2 or o.destination = $2)
  and o.version = (
    select max(n.version) from aggregator.framework as n
    where n.tenant = o.tenant and n.framework = o.framework
  )
order by o.framework, o.position
limit $3

-- name: known_nodes
-- Which of the identifiers belong to a framework or to an object of one.
select identifier from aggregator.framework_object where tenant = $1 and identifier = any ($2)
union
select framework from aggregator.framework where tenant = $1 and framework = any ($2)

-- name: put_competencies
-- A competency stays with the framework that had it first, unless that holds it no more.
insert into aggregator.competency
  (tenant, competency, code, name, statement, kind, framework, identifier, position, withdrawn)
select $1, competency, code, name, statement, kind, $2, identifier, position, false
from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int[])
  as given (competency, code, name, statement, kind, identifier, position)
order by competency
on conflict (tenant, competency) do update set
  code = excluded.code, name = excluded.name, statement = excluded.statement,
  kind = excluded.kind, framework = excluded.framework, identifier = excluded.identifier,
  position = excluded.position, withdrawn = false
where competency.framework = excluded.framework or competency.withdrawn

-- name: withdraw_competencies
-- Those of a framework that it holds no more.
update aggregator.competency set withdrawn = true
where tenant = $1 and framework = $2 and not withdrawn and competency <> all ($3)

-- name: taken_competencies
-- Which of them another framework holds.
select competency, framework from aggregator.competency
where tenant = $1 and competency = any ($2) and framework <> $3 and not withdrawn
order by competency

-- name: competencies_named
-- By URI, by identifier or by code. A code may be that of several.
select competency, code, identifier, withdrawn from aggregator.competency
where tenant = $1 and (competency = any ($2) or identifier = any ($2) or code = any ($2))

-- name: list_competencies
select competency, code, name, statement, kind, framework, withdrawn
from aggregator.competency
where tenant = $1 and competency > $2 and ($3::text is null or framework = $3)
order by competency
limit $4

-- name: list_roles
select role, name, framework from aggregator.role
where tenant = $1 and role > $2
order by role
limit $3

-- name: roles_by_slug
select role, name, framework from aggregator.role where tenant = $1 and role = any ($2)

-- name: roles_of_framework
select role from aggregator.role where tenant = $1 and framework = $2 order by role

-- name: put_role
insert into aggregator.role (tenant, role, name, framework) values ($1, $2, $3, $4)
on conflict (tenant, role) do update set name = excluded.name, framework = excluded.framework

-- name: requirements_of
-- Standing requirements of roles, with what the competencies are called.
select r.role, r.requirement, r.competency, r.level, r.recorded_ms, c.code, c.name
from aggregator.role_requirement as r
left join aggregator.competency as c on c.tenant = r.tenant and c.competency = r.competency
where r.tenant = $1 and r.role = any ($2) and r.retracted_ms is null
order by r.role, c.code, r.competency

-- name: retract_requirements
update aggregator.role_requirement set retracted_ms = $3
where tenant = $1 and requirement = any ($2) and retracted_ms is null

-- name: insert_requirements
insert into aggregator.role_requirement
  (tenant, requirement, role, competency, level, recorded_ms)
select $1, requirement, $3, competency, level, $6
from unnest($2::uuid[], $4::text[], $5::int[]) as given (requirement, competency, level)
order by competency
