-- The queries of the credentials service. Arrays that begin with a tenant are parallel columns;
-- writers sort them by the key of the table, so that two never wait for each other crosswise.
--
-- Who changes a credential holds the row lock of its award. Order of locks: awards, then lists.

-- Consuming ---------------------------------------------------------------------------------------

-- name: put_awards
-- An event with a sequence that is not higher changes nothing: twice is once. What two people signed
-- stands until a decision gives it, too, or speaks against it.
insert into credentials.award as a
  (tenant, person, competency, sequence, standing, level, achieved_on, expires_on, timezone, as_of,
   decision, rule_id, rule_version, rule_hash, evidence_digest, event_ms, reason)
select * from unnest(
  $1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::int[], $7::date[], $8::date[],
  $9::text[], $10::timestamptz[], $11::uuid[], $12::text[], $13::int[], $14::text[], $15::bytea[],
  $16::bigint[], $17::text[])
on conflict (tenant, person, competency) do update
set sequence = excluded.sequence, standing = excluded.standing, level = excluded.level,
  achieved_on = excluded.achieved_on, expires_on = excluded.expires_on,
  timezone = excluded.timezone, as_of = excluded.as_of, decision = excluded.decision,
  rule_id = excluded.rule_id, rule_version = excluded.rule_version,
  rule_hash = excluded.rule_hash, evidence_digest = excluded.evidence_digest,
  event_ms = excluded.event_ms, reason = excluded.reason, source = 'decision',
  kind = 'competency', manual = null, version = a.version + 1, failure = null
where a.sequence < excluded.sequence
  and (a.source = 'decision' or a.standing <> 'held'
    or excluded.standing not in ('withdrawn', 'expired'))

-- name: hear_awards
-- What did not change a signed award was heard all the same.
update credentials.award as a
set sequence = n.sequence
from unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[])
  as n (tenant, person, competency, sequence)
where a.tenant = n.tenant and a.person = n.person and a.competency = n.competency
  and a.source = 'manual' and a.sequence < n.sequence

-- Issuing -----------------------------------------------------------------------------------------

-- name: take_awards
with waiting as (
  select tenant, person, competency
  from credentials.award
  where version <> done_version
    and (taken_until is null or taken_until <= clock_timestamp())
  order by event_ms
  limit $1
  for update skip locked
)
update credentials.award as a
set taken_until = clock_timestamp() + make_interval(secs => $2)
from waiting as w
where a.tenant = w.tenant and a.person = w.person and a.competency = w.competency
returning a.tenant, a.person, a.competency,
  -- What people signed has no events: its own steps are counted.
  case a.source when 'manual' then a.version else a.sequence end as sequence,
  a.standing, a.level, a.achieved_on, a.expires_on, a.timezone, a.as_of, a.decision,
  a.evidence_digest, a.event_ms, a.version, a.manual, a.kind, a.reason

-- name: current_credentials
select c.tenant, c.credential, c.person, c.competency, c.state, c.sequence, c.decision, c.level,
  c.achieved_on, c.expires_on, c.timezone, c.as_of, c.evidence_digest, c.did, c.salt,
  c.revocation_list, c.revocation_index, c.suspension_list, c.suspension_index, c.intended_at,
  c.method, c.template, c.template_version, c.manual, c.kind
from unnest($1::text[], $2::uuid[], $3::text[]) as n (tenant, person, competency)
join credentials.credential as c using (tenant, person, competency)
where c.state in ('intended', 'issued', 'suspended')

-- name: insert_intentions
insert into credentials.credential
  (tenant, credential, person, competency, state, sequence, followed_sequence, decision, level,
   achieved_on, expires_on, timezone, as_of, evidence_digest, did, salt,
   revocation_list, revocation_index, suspension_list, suspension_index, intended_at, method,
   template, template_version, manual, kind)
select n.tenant, n.credential, n.person, n.competency, 'intended', n.sequence, n.sequence,
  n.decision, n.level, n.achieved_on, n.expires_on, n.timezone, n.as_of, n.evidence_digest, n.did,
  n.salt, n.revocation_list, n.revocation_index, n.suspension_list,
  n.suspension_index, n.intended_at, n.method, n.template, n.template_version,
  n.manual, n.kind
from unnest(
  $1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::uuid[], $7::int[], $8::date[],
  $9::date[], $10::text[], $11::timestamptz[], $12::bytea[], $13::text[], $14::bytea[],
  $15::uuid[], $16::int[], $17::uuid[], $18::int[], $19::timestamptz[],
  $20::text[], $21::text[], $22::int[], $23::uuid[], $24::text[])
  as n (tenant, credential, person, competency, sequence, decision, level, achieved_on,
        expires_on, timezone, as_of, evidence_digest, did, salt, revocation_list,
        revocation_index, suspension_list, suspension_index, intended_at, method,
        template, template_version, manual, kind)

-- name: retarget_intentions
-- Nobody has seen an intention: when the award, its template or the issuer's key moves, it is made
-- from them as they are now.
update credentials.credential as c
set sequence = n.sequence, followed_sequence = n.sequence, decision = n.decision, level = n.level,
  achieved_on = n.achieved_on, expires_on = n.expires_on, timezone = n.timezone, as_of = n.as_of,
  evidence_digest = n.evidence_digest, did = n.did, revocation_list = n.revocation_list,
  revocation_index = n.revocation_index, suspension_list = n.suspension_list,
  suspension_index = n.suspension_index, method = n.method, template = n.template,
  template_version = n.template_version, manual = n.manual, kind = n.kind
from unnest(
  $1::text[], $2::uuid[], $3::bigint[], $4::uuid[], $5::int[], $6::date[], $7::date[], $8::text[],
  $9::timestamptz[], $10::bytea[], $11::text[], $12::uuid[], $13::int[], $14::uuid[], $15::int[],
  $16::text[], $17::text[], $18::int[], $19::uuid[], $20::text[])
  as n (tenant, credential, sequence, decision, level, achieved_on, expires_on, timezone, as_of,
        evidence_digest, did, revocation_list, revocation_index, suspension_list,
        suspension_index, method, template, template_version, manual, kind)
where c.tenant = n.tenant and c.credential = n.credential and c.state = 'intended'

-- name: lock_taken
-- The awards that still are as they were when they were taken.
select a.tenant, a.person, a.competency
from unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[])
  as n (tenant, person, competency, version)
join credentials.award as a using (tenant, person, competency)
where a.version = n.version and a.done_version <> a.version
order by a.tenant, a.person, a.competency
for update of a

-- name: live_credentials
select c.tenant, c.credential, c.person, c.competency, c.state, c.sequence, c.decision, c.level,
  c.achieved_on, c.expires_on, c.timezone, c.as_of, c.evidence_digest, c.did, c.salt,
  c.revocation_list, c.revocation_index, c.suspension_list, c.suspension_index, c.intended_at,
  c.method, c.template, c.template_version, c.manual, c.kind
from unnest($1::text[], $2::uuid[], $3::text[]) as n (tenant, person, competency)
join credentials.credential as c using (tenant, person, competency)
where c.state in ('issued', 'suspended')

-- name: step_credentials
update credentials.credential as c
set state = n.after, followed_sequence = n.sequence, reason = n.reason,
  changed_at = clock_timestamp()
from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[])
  as n (tenant, credential, before, after, sequence, reason)
where c.tenant = n.tenant and c.credential = n.credential and c.state = n.before
returning c.tenant, c.credential

-- name: publish_credentials
update credentials.credential as c
set state = 'issued', document = n.document, contexts = n.contexts::jsonb,
  valid_from = n.valid_from, valid_until = n.valid_until, jwt = n.jwt,
  issued_at = clock_timestamp(), changed_at = clock_timestamp()
from unnest(
  $1::text[], $2::uuid[], $3::bytea[], $4::text[], $5::timestamptz[], $6::timestamptz[],
  $7::text[])
  as n (tenant, credential, document, contexts, valid_from, valid_until, jwt)
where c.tenant = n.tenant and c.credential = n.credential and c.state = 'intended'
returning c.tenant, c.credential

-- name: finish_awards
update credentials.award as a
set done_version = n.version, taken_until = null, failure = n.failure
from unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::text[])
  as n (tenant, person, competency, version, failure)
where a.tenant = n.tenant and a.person = n.person and a.competency = n.competency
  and a.version = n.version

-- name: release_awards
update credentials.award as a
set taken_until = null
from (
  select a.tenant, a.person, a.competency
  from unnest($1::text[], $2::uuid[], $3::text[]) as n (tenant, person, competency)
  join credentials.award as a using (tenant, person, competency)
  order by a.tenant, a.person, a.competency
  for update of a
) as n
where a.tenant = n.tenant and a.person = n.person and a.competency = n.competency

-- name: retry_failed
update credentials.award
set version = version + 1, failure = null
where failure is not null
returning tenant

-- name: achievements
select a.tenant, a.competency, a.name, a.description, a.criteria, a.code, a.framework, a.levels
from unnest($1::text[], $2::text[]) as n (tenant, competency)
join credentials.achievement as a using (tenant, competency)

-- name: insert_outbox
insert into credentials.outbox (topic, key, value)
select $1, n.key, n.value from unnest($2::bytea[], $3::bytea[]) as n (key, value)

-- name: notify_outbox
select pg_notify('credentials_outbox', '')

-- Status lists ------------------------------------------------------------------------------------

-- name: open_lists
select l.tenant, l.list, l.did, l.purpose
from unnest($1::text[], $2::text[]) as n (tenant, did)
join credentials.status_list as l using (tenant, did)
where l.is_open

-- name: insert_lists
insert into credentials.status_list (tenant, list, did, purpose, size)
select n.tenant, n.list, n.did, n.purpose, n.size
from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::int[])
  as n (tenant, list, did, purpose, size)
on conflict do nothing

-- name: lock_lists
select l.tenant, l.list, l.did, l.purpose, l.size, l.allocated, l.is_open
from unnest($1::text[], $2::uuid[]) as n (tenant, list)
join credentials.status_list as l using (tenant, list)
order by l.tenant, l.list
for update of l

-- name: close_lists
update credentials.status_list as l
set is_open = false
from unnest($1::text[], $2::uuid[]) as n (tenant, list)
where l.tenant = n.tenant and l.list = n.list

-- name: insert_entries
insert into credentials.status_entry (tenant, list, index, credential)
select n.tenant, n.list, n.index, n.credential
from unnest($1::text[], $2::uuid[], $3::int[], $4::uuid[]) as n (tenant, list, index, credential)
on conflict do nothing
returning tenant, list, index, credential

-- name: count_entries
update credentials.status_list as l
set allocated = l.allocated + n.added
from unnest($1::text[], $2::uuid[], $3::int[]) as n (tenant, list, added)
where l.tenant = n.tenant and l.list = n.list

-- name: set_entries
update credentials.status_entry as e
set is_set = n.value
from unnest($1::text[], $2::uuid[], $3::int[], $4::boolean[]) as n (tenant, list, index, value)
where e.tenant = n.tenant and e.list = n.list and e.index = n.index and e.is_set <> n.value
returning e.tenant, e.list

-- name: change_lists
update credentials.status_list as l
set version = l.version + 1
from unnest($1::text[], $2::uuid[]) as n (tenant, list)
where l.tenant = n.tenant and l.list = n.list

-- name: due_lists
-- Changed since they were signed, or soon out of date.
select tenant, list, did
from credentials.status_list
where not is_final and (version <> signed_version or valid_until < $1)
order by tenant, list
limit $2

-- name: list_to_sign
-- The version is read in the same statement as the bits, so that it never promises more.
select l.did, l.purpose, l.size, l.version, l.signed_version, l.valid_until,
  array(
    select e.index from credentials.status_entry as e
    where e.tenant = l.tenant and e.list = l.list and e.is_set
  ) as indexes
from credentials.status_list as l
where l.tenant = $1 and l.list = $2

-- name: publish_list
-- Somebody else may have signed a newer one meanwhile: that one stands.
update credentials.status_list
set document = $4, signed_version = $3, signed_at = clock_timestamp(), valid_until = $5
where tenant = $1 and list = $2
  and (signed_version < $3 or (signed_version = $3 and valid_until < $5))

-- name: find_lists
select tenant, list, version = signed_version as is_fresh, document
from credentials.status_list
where list = any($1::uuid[])

-- Issuers -----------------------------------------------------------------------------------------

-- name: issuers
select i.tenant, i.issuer, i.name, i.url
from unnest($1::text[], $2::text[]) as n (tenant, issuer)
join credentials.issuer as i using (tenant, issuer)

-- name: put_achievement
insert into credentials.achievement
  (tenant, competency, name, description, criteria, code, framework, levels)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (tenant, competency) do update
set name = excluded.name, description = excluded.description, criteria = excluded.criteria,
  code = excluded.code, framework = excluded.framework, levels = excluded.levels,
  changed_at = now()

-- Answers -----------------------------------------------------------------------------------------

-- name: list_credentials
-- Also those of people who were found to be this one: each keeps the id that it was made for.
with recursive merged as (
  select $2::uuid as person
  union
  select m.person
  from merged as k
  join credentials.person_merge as m
    on m.tenant = $1 and m.kept = k.person and not m.is_retracted
)
select credential, person, competency, state, sequence, decision, manual, kind, reason, level,
  valid_from, valid_until, issued_at, changed_at
from credentials.credential
where tenant = $1 and person in (select person from merged) and state <> 'intended'
  and credential > $3
order by credential
limit $4

-- name: find_credential
select tenant, credential, person, competency, state, sequence, decision, manual, kind, reason,
  level, valid_from, valid_until, issued_at, changed_at, document
from credentials.credential
where credential = $1 and state <> 'intended'

-- name: find_shared
-- A link that is over or was taken back opens nothing.
select c.tenant, c.credential, c.person, c.competency, c.state, c.sequence, c.decision, c.manual,
  c.kind, c.reason, c.level, c.valid_from, c.valid_until, c.issued_at, c.changed_at, c.document
from credentials.share_link as s
join credentials.credential as c using (tenant, credential)
where s.share_id = $1 and s.revoked_at is null and c.state <> 'intended'
  and (s.expires_at is null or s.expires_at > clock_timestamp())

-- Watching ----------------------------------------------------------------------------------------

-- name: states
select state, count(*) as credentials from credentials.credential group by state

-- name: waiting
select count(*) as awards,
  coalesce(extract(epoch from clock_timestamp()) * 1000 - min(event_ms), 0)::float8 as oldest_ms
from credentials.award where version <> done_version

-- name: count_failures
select count(*) from credentials.award where failure is not null

-- name: count_quarantined
select count(*) from credentials.quarantine

-- name: count_unsigned_lists
select count(*) from credentials.status_list where version <> signed_version and not is_final
