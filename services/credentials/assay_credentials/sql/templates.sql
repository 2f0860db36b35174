-- The queries about templates. Arrays that begin with a tenant are parallel columns.

-- name: templates_in_force
select t.tenant, t.template, t.version, t.competency, t.content::text as content
from unnest($1::text[], $2::text[]) as n (tenant, competency)
join credentials.template as t using (tenant, competency)
where t.state = 'approved'

-- name: lock_template
-- One at a time proposes, approves or ends versions of a template. Held until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('template ' || $1 || ' ' || $2, 0))

-- name: template_summary
-- The last version, the one that is proposed, the one in force, and what it is for.
select max(version) as last, max(version) filter (where state = 'proposed') as proposed,
  max(version) filter (where state = 'approved') as in_force, min(competency) as competency
from credentials.template
where tenant = $1 and template = $2

-- name: has_issuer
select exists (select from credentials.issuer where tenant = $1 and issuer = $2) as found

-- name: insert_template
insert into credentials.template
  (tenant, template, version, competency, content, content_sha256, state, proposed_by, reason)
values ($1, $2, $3, $4, $5::text::jsonb, $6, 'proposed', $7, $8)

-- name: approve_template
update credentials.template
set state = 'approved', approved_by = $4, approved_at = clock_timestamp()
where tenant = $1 and template = $2 and version = $3 and state = 'proposed'

-- name: end_template
-- What was in force is retired, what was not is withdrawn.
update credentials.template
set state = case state when 'approved' then 'retired' else 'withdrawn' end,
  ended_by = $4, ended_at = clock_timestamp()
where tenant = $1 and template = $2 and version = $3 and state in ('proposed', 'approved')

-- name: rival
-- Another template that is in force for the same competency.
select template
from credentials.template
where tenant = $1 and template <> $2 and competency = $3 and state = 'approved'

-- name: find_version
select tenant, template, version, competency, content::text as content, content_sha256, state,
  proposed_by, reason, proposed_at, approved_by, approved_at, ended_by, ended_at
from credentials.template
where tenant = $1 and template = $2 and version = $3

-- name: list_versions
select tenant, template, version, competency, content::text as content, content_sha256, state,
  proposed_by, reason, proposed_at, approved_by, approved_at, ended_by, ended_at
from credentials.template
where tenant = $1 and (template = $2 or $2 is null)
  and (template, version) > ($3, $4)
order by template, version
limit $5

-- name: published_version
-- What anybody may read: what is or was in force. Without a version, the last of these.
select tenant, template, version, competency, content::text as content, content_sha256, state,
  proposed_by, reason, proposed_at, approved_by, approved_at, ended_by, ended_at
from credentials.template
where tenant = $1 and template = $2 and (version = $3 or $3 is null)
  and state in ('approved', 'retired')
order by (state = 'approved') desc, version desc
limit 1

-- name: insert_image
insert into credentials.image (tenant, sha256, media_type, content, put_by)
values ($1, $2, $3, $4, $5)
on conflict do nothing

-- name: find_image
select media_type, content from credentials.image where tenant = $1 and sha256 = $2

-- name: issuer_profile
-- How an issuer is shown; one that has not signed yet has no identifier.
select coalesce(i.name, n.tenant) as name, i.url, k.did
from (values ($1::text, $2::text)) as n (tenant, issuer)
left join credentials.issuer as i using (tenant, issuer)
left join credentials.issuer_key as k
  on k.tenant = n.tenant and k.issuer = n.issuer and k.state = 'active'
