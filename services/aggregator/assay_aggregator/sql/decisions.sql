-- The queries of what people decide beside the evidence (overrides, reviews), and of what is told
-- of decisions as statements.

-- Deciding ----------------------------------------------------------------------------------------

-- name: said_of_people
-- Every override that two persons signed, and every review, of any time.
select 'override' as kind, o.tenant, o.person, o.override as id, o.competency, o.level,
  o.valid_from, o.valid_to, o.proposed_by, o.approved_by, o.meaning, o.reason, o.recorded_ms,
  o.retracted_ms
from unnest($1::text[], $2::uuid[]) as wanted (tenant, person)
join aggregator.override as o using (tenant, person)
where o.recorded_ms is not null
union all
select r.kind, r.tenant, r.person, r.review, r.competency, null, null, null, r.opened_by, null,
  null, r.reason, r.recorded_ms, r.retracted_ms
from unnest($1::text[], $2::uuid[]) as wanted (tenant, person)
join aggregator.review as r using (tenant, person)

-- name: emissions
select tenant, home_page
from aggregator.emission
where tenant = any($1::text[])

-- Overrides ---------------------------------------------------------------------------------------

-- name: insert_override
insert into aggregator.override
  (tenant, override, person, competency, level, valid_from, valid_to, meaning, reason, proposed_by,
   proposed_signature, proposed_ms, recorded_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: lock_override
select override, person, competency, level, valid_from, valid_to, meaning, reason, proposed_by,
  approved_by, proposed_ms, recorded_ms, retracted_ms
from aggregator.override
where tenant = $1 and override = $2
for update

-- name: approve_override
update aggregator.override
set approved_by = $3, approved_signature = $4, recorded_ms = $5
where tenant = $1 and override = $2

-- name: retract_override
update aggregator.override
set retracted_ms = $3
where tenant = $1 and override = $2 and retracted_ms is null
returning person, competency, level, valid_from, valid_to, recorded_ms

-- name: list_overrides
select override, person, competency, level, valid_from, valid_to, meaning, reason, proposed_by,
  approved_by, proposed_ms, recorded_ms, retracted_ms
from aggregator.override
where tenant = $1 and ($2::uuid is null or person = $2) and ($3::uuid is null or override > $3)
order by override
limit $4

-- Reviews -----------------------------------------------------------------------------------------

-- name: insert_review
insert into aggregator.review
  (tenant, review, person, competency, kind, reason, opened_by, opened_signature, recorded_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (tenant, person, competency, opened_by) where retracted_ms is null do nothing

-- name: lock_review
select review, person, competency, kind, opened_by, recorded_ms, retracted_ms
from aggregator.review
where tenant = $1 and review = $2
for update

-- name: close_review
update aggregator.review
set retracted_ms = $3, outcome = $4, closed_reason = $5, closed_by = $6, closed_signature = $7
where tenant = $1 and review = $2

-- name: list_reviews
select review, person, competency, kind, reason, opened_by, recorded_ms, retracted_ms, outcome,
  closed_reason, closed_by
from aggregator.review
where tenant = $1 and ($2::uuid is null or person = $2)
  and ($3::boolean is null or (retracted_ms is null) = $3)
  and ($4::uuid is null or review > $4)
order by review
limit $5

-- Emission, as the owner --------------------------------------------------------------------------

-- name: put_emission
insert into aggregator.emission (tenant, home_page)
values ($1, $2)
on conflict (tenant) do update
set home_page = excluded.home_page

-- name: delete_emission
delete from aggregator.emission where tenant = $1

-- name: list_emissions
select tenant, home_page
from aggregator.emission
order by tenant
