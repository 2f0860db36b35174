-- The queries of inspection packs. Everything is read as it was known at one time of the log, so
-- that the same question has the same answer whenever it is asked.

-- name: hold_people
-- Waits for the evaluators that decide about these people, and lets them go at once.
select person from aggregator.person
where tenant = $1 and person = any($2::uuid[])
order by person
for share

-- name: organisations_below
-- An organisation, and all that belong to it over any number of steps.
with recursive below as (
  select organisation from aggregator.organisation where tenant = $1 and organisation = $2
  union
  select o.organisation
  from below join aggregator.organisation as o on o.tenant = $1 and o.parent = below.organisation
)
select organisation from below order by organisation

-- name: people_employed
-- Who works on a day, in a role and in one of the organisations where these are given.
select distinct person
from aggregator.employment
where tenant = $1
  and recorded_ms <= $2 and (retracted_ms is null or retracted_ms > $2)
  and (valid_from is null or valid_from <= $3) and (valid_to is null or valid_to >= $3)
  and ($4::text is null or role = $4)
  and ($5::text[] is null or organisation = any($5))
order by person
limit $6

-- name: people_with_evidence
-- Whoever may have evidence for one of the competencies: decided, or waiting for it.
select person from aggregator.decision_current where tenant = $1 and competency = any($2::text[])
union
select person from aggregator.mark where tenant = $1 and competency = any($2::text[])
order by person
limit $3

-- name: role_requirements
select distinct competency
from aggregator.role_requirement
where tenant = $1 and role = $2
  and recorded_ms <= $3 and (retracted_ms is null or retracted_ms > $3)
order by competency

-- name: competency_names
-- By the framework version that was known then: a later import may call them something else.
select distinct on (c.competency) c.competency, o.body ->> 'humanCodingScheme' as code,
  coalesce(o.body ->> 'abbreviatedStatement', o.body ->> 'fullStatement') as name
from aggregator.competency as c
join aggregator.framework_object as o
  on o.tenant = c.tenant and o.identifier = c.identifier and o.section = 'CFItems'
join aggregator.framework as f
  on f.tenant = o.tenant and f.framework = o.framework and f.version = o.version
where c.tenant = $1 and c.competency = any($2::text[]) and o.body ->> 'uri' = c.competency
  and f.recorded_ms <= $3
order by c.competency, f.recorded_ms desc, f.framework, f.version desc

-- name: links_of_people
select person, link, agent_key, automatic, valid_from, valid_to, recorded_ms,
  case when retracted_ms <= $3 then retracted_ms end as retracted_ms
from aggregator.identity_link
where tenant = $1 and person = any($2::uuid[]) and (recorded_ms is null or recorded_ms <= $3)
order by person, agent_key, link

-- name: employments_of_people
select person, employment, organisation, role, valid_from, valid_to, recorded_ms,
  case when retracted_ms <= $3 then retracted_ms end as retracted_ms
from aggregator.employment
where tenant = $1 and person = any($2::uuid[]) and recorded_ms <= $3
order by person, recorded_ms, employment

-- name: history_of_people
-- Every decision that was made, not only the last: whether a record changed since it was made.
select person, competency, ordinal, decision, sequence, as_of_ms, known_at_ms, rule_id,
  rule_version, rule_hash, engine_version, status, level, achieved_on, expires_on, outcome_hash,
  decided_at
from aggregator.decision
where tenant = $1 and person = any($2::uuid[]) and competency = any($3::text[])
  and known_at_ms <= $4
order by person, competency, ordinal

-- name: overrides_of_people
select o.person, o.override, o.competency, o.level, o.valid_from, o.valid_to, o.meaning, o.reason,
  o.proposed_by, o.proposed_signature, o.proposed_ms,
  case when o.recorded_ms <= $3 then o.approved_by end as approved_by,
  case when o.recorded_ms <= $3 then o.approved_signature end as approved_signature,
  case when o.recorded_ms <= $3 then o.recorded_ms end as recorded_ms,
  case when o.retracted_ms <= $3 then o.retracted_ms end as retracted_ms
from aggregator.override as o
where o.tenant = $1 and o.person = any($2::uuid[]) and o.proposed_ms <= $3
order by o.person, o.proposed_ms, o.override

-- name: reviews_of_people
select person, review, competency, kind, reason, opened_by, opened_signature, recorded_ms,
  case when retracted_ms <= $3 then retracted_ms end as retracted_ms,
  case when retracted_ms <= $3 then outcome end as outcome,
  case when retracted_ms <= $3 then closed_reason end as closed_reason,
  case when retracted_ms <= $3 then closed_by end as closed_by,
  case when retracted_ms <= $3 then closed_signature end as closed_signature
from aggregator.review
where tenant = $1 and person = any($2::uuid[]) and recorded_ms <= $3
order by person, recorded_ms, review

-- name: signatures
select signature, account, name, meaning, content_hash, recorded_ms, signed_at
from aggregator.signature
where tenant = $1 and signature = any($2::uuid[])
order by signature

-- name: authorisations_of_assessors
select authorisation, assessor, scope, valid_from, valid_to, recorded_ms,
  case when retracted_ms <= $3 then retracted_ms end as retracted_ms
from aggregator.assessor_authorisation
where tenant = $1 and assessor = any($2::uuid[]) and recorded_ms <= $3
order by assessor, scope, recorded_ms, authorisation

-- name: conflicts_between
select conflict, assessor, person, valid_from, valid_to, recorded_ms,
  case when retracted_ms <= $3 then retracted_ms end as retracted_ms
from aggregator.assessor_conflict
where tenant = $1 and person = any($2::uuid[]) and recorded_ms <= $3
order by person, assessor, recorded_ms, conflict

-- name: rule_versions
select rule_id, version, competency, status, effective_from, effective_to, hash, document,
  recorded_ms
from aggregator.rule_version
where tenant = $1 and competency = any($2::text[]) and recorded_ms <= $3
order by competency, rule_id, version

-- name: rule_approvals
select rule_id, version, signature, content_hash, account, recorded_ms
from aggregator.rule_approval
where tenant = $1 and rule_id = any($2::text[]) and recorded_ms <= $3
order by rule_id, version, recorded_ms, signature

-- name: rule_drafts
select rule_id, version, revision, content_hash, actor, account, signature, reason, recorded_ms
from aggregator.rule_draft
where tenant = $1 and rule_id = any($2::text[]) and recorded_ms <= $3
order by rule_id, version, revision

-- name: rule_steps
select rule_id, version, step, action, state, content_hash, actor, account, signature, reason,
  recorded_ms
from aggregator.rule_step
where tenant = $1 and rule_id = any($2::text[]) and recorded_ms <= $3
order by rule_id, version, step

-- name: rule_retirements
select rule_id, version, effective_to, account, signature, reason, recorded_ms
from aggregator.rule_retirement
where tenant = $1 and rule_id = any($2::text[]) and recorded_ms <= $3
order by rule_id, version
