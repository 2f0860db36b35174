-- Rules before and after they decide: drafts, steps, approvals, previews, retirements.

-- name: insert_draft
insert into aggregator.rule_draft
  (tenant, rule_id, version, revision, competency, content_hash, document, actor, account,
   signature, reason, recorded_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: last_draft
select revision, competency, content_hash, document, account, recorded_ms
from aggregator.rule_draft
where tenant = $1 and rule_id = $2 and version = $3
order by revision desc
limit 1

-- name: authors
-- Everybody who signed a content that this version ever had.
select distinct account
from aggregator.rule_draft
where tenant = $1 and rule_id = $2 and version = $3

-- name: drafts
select revision, content_hash, actor, account, signature, reason, recorded_ms, drafted_at
from aggregator.rule_draft
where tenant = $1 and rule_id = $2 and version = $3
order by revision

-- name: last_step
select step, action, state, revision
from aggregator.rule_step
where tenant = $1 and rule_id = $2 and version = $3
order by step desc
limit 1

-- name: insert_step
insert into aggregator.rule_step
  (tenant, rule_id, version, step, action, state, revision, content_hash, actor, account, signature,
   reason, recorded_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: steps
select step, action, state, revision, content_hash, actor, account, signature, reason, recorded_ms,
  stepped_at
from aggregator.rule_step
where tenant = $1 and rule_id = $2 and version = $3
order by step

-- name: insert_approval
insert into aggregator.rule_approval
  (tenant, rule_id, version, signature, revision, content_hash, account, preview, recorded_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: approvals
select signature, revision, content_hash, account, preview, recorded_ms, approved_at
from aggregator.rule_approval
where tenant = $1 and rule_id = $2 and version = $3
order by approved_at, signature

-- name: insert_retirement
insert into aggregator.rule_retirement
  (tenant, rule_id, version, effective_to, account, signature, reason, recorded_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: find_version
select v.competency, v.status, v.effective_from, v.effective_to, v.hash, v.document, v.recorded_ms,
  r.effective_to as retired_on, r.account as retired_by, r.reason as retired_because,
  r.signature as retired_signature
from aggregator.rule_version as v
left join aggregator.rule_retirement as r using (tenant, rule_id, version)
where v.tenant = $1 and v.rule_id = $2 and v.version = $3

-- name: list_rules
-- Every version of every rule, whether it decides or is still a draft, in order.
with known as (
  select tenant, rule_id, version from aggregator.rule_version where tenant = $1
  union
  select tenant, rule_id, version from aggregator.rule_step where tenant = $1
)
select k.rule_id, k.version, coalesce(v.competency, d.competency) as competency,
  coalesce(v.hash, d.content_hash) as content_hash, s.state, v.status, v.effective_from,
  least(v.effective_to, r.effective_to) as effective_to, v.recorded_ms,
  r.recorded_ms is not null as is_retired,
  exists (
    select from aggregator.rule_approval as a
    where a.tenant = k.tenant and a.rule_id = k.rule_id and a.version = k.version
      and a.content_hash = v.hash
  ) as is_approved
from known as k
left join aggregator.rule_version as v using (tenant, rule_id, version)
left join aggregator.rule_retirement as r using (tenant, rule_id, version)
left join lateral (
  select state from aggregator.rule_step as one
  where one.tenant = k.tenant and one.rule_id = k.rule_id and one.version = k.version
  order by step desc limit 1
) as s on true
left join lateral (
  select competency, content_hash from aggregator.rule_draft as one
  where one.tenant = k.tenant and one.rule_id = k.rule_id and one.version = k.version
  order by revision desc limit 1
) as d on true
where $2::text is null or (k.rule_id, k.version) > ($2, $3::int)
order by k.rule_id, k.version
limit $4

-- name: people_concerned
-- Everybody about whom a rule may say something: who has a decision, or waits for one, on one of
-- the competencies; and who acts in a statement that the rule may match ($3, $4: null means any
-- verb, or any activity; $5: whether it matches statements at all).
with agent as (
  select f.actor as agent from aggregator.statement_fact as f
  where $5 and f.tenant = $1 and f.actor is not null
    and ($3::uuid[] is null or f.verb = any($3)) and ($4::uuid[] is null or f.activity = any($4))
  union
  select c.actor from aggregator.fact_conflict as c
  where $5 and c.tenant = $1 and c.actor is not null
    and ($3::uuid[] is null or c.verb = any($3)) and ($4::uuid[] is null or c.activity = any($4))
  union
  select g.agent from aggregator.fact_agent as g
  where $5 and g.tenant = $1 and g.role = 'm' and ($3::uuid[] is null or g.verb = any($3))
)
select person from aggregator.decision_current where tenant = $1 and competency = any($2::text[])
union
select person from aggregator.mark where tenant = $1 and competency = any($2::text[])
union
select l.person from agent join aggregator.identity_link as l
  on l.tenant = $1 and l.agent = agent.agent
order by person

-- name: insert_preview
insert into aggregator.rule_preview
  (tenant, preview, rule_id, version, content_hash, actor, as_of_ms, known_at_ms, people, counts,
   changes_hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: insert_preview_changes
insert into aggregator.rule_preview_change
  (tenant, preview, person, competency, kinds, before, after)
select $1, $2, person, competency, string_to_array(kinds, ' '), before, after
from unnest($3::uuid[], $4::text[], $5::text[], $6::json[], $7::json[])
  as n (person, competency, kinds, before, after)

-- name: find_preview
select preview, rule_id, version, content_hash, actor, as_of_ms, known_at_ms, people, counts,
  changes_hash, previewed_at
from aggregator.rule_preview
where tenant = $1 and preview = $2

-- name: previews
select preview, content_hash, actor, as_of_ms, known_at_ms, people, counts, changes_hash,
  previewed_at
from aggregator.rule_preview
where tenant = $1 and rule_id = $2 and version = $3
order by previewed_at desc, preview
limit $4

-- name: preview_changes
select person, competency, kinds, before, after
from aggregator.rule_preview_change
where tenant = $1 and preview = $2
  and ($3::uuid is null or (person, competency) > ($3, $4::text))
order by person, competency
limit $5
