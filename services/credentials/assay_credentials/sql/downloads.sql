-- The queries about downloads, transcripts and endorsements.

-- name: find_download
select c.tenant, c.credential, c.state, c.timezone, c.issued_at, c.document, c.jwt, c.template,
  c.template_version
from credentials.credential as c
where c.tenant = $1 and c.credential = $2 and c.state <> 'intended'

-- name: record_of
-- What still says something of the person: what was superseded or revoked says nothing any more.
select c.credential, c.document
from credentials.credential as c
where c.tenant = $1 and c.person = $2 and c.state in ('issued', 'suspended', 'expired')
  and c.credential > $3
order by c.credential
limit $4

-- name: insert_transcript
insert into credentials.transcript
  (tenant, transcript, person, method, credentials, sha256, asked_by)
values ($1, $2, $3, $4, $5, $6, $7)

-- name: lock_endorsement
-- One at a time makes an endorsement of this id. Held until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('endorsement ' || $1 || ' ' || $2::uuid::text, 0))

-- name: find_endorsement
select tenant, endorsement, issuer, state, kind, endorsed, credential, name, comment, valid_until,
  content_sha256, method, document, revocation_list, revocation_index, made_at, withdrawn_at
from credentials.endorsement
where tenant = $1 and endorsement = $2

-- name: insert_endorsement
insert into credentials.endorsement
  (tenant, endorsement, issuer, method, state, kind, endorsed, credential, name, comment,
   valid_until, content_sha256, document, revocation_list, revocation_index, made_at)
values ($1, $2, $3, $4, 'issued', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)

-- name: withdraw_endorsement
update credentials.endorsement
set state = 'withdrawn', withdrawn_at = clock_timestamp()
where tenant = $1 and endorsement = $2 and state = 'issued'
returning revocation_list, revocation_index

-- name: list_endorsements
-- Of one tenant, in order of their ids.
select tenant, endorsement, issuer, state, kind, endorsed, credential, name, comment, valid_until,
  content_sha256, method, document, revocation_list, revocation_index, made_at, withdrawn_at
from credentials.endorsement
where tenant = $1 and endorsement > $2
order by endorsement
limit $3

-- name: endorsements_of
-- Those that hold now of a credential: of itself, of what was earned, of who issued it.
select e.tenant, e.endorsement, e.issuer, e.state, e.kind, e.endorsed, e.credential, e.name,
  e.comment, e.valid_until, e.content_sha256, e.method, e.document, e.revocation_list,
  e.revocation_index, e.made_at, e.withdrawn_at
from credentials.endorsement as e
where e.tenant = $1 and e.endorsed = any($2::text[]) and e.state = 'issued'
  and (e.valid_until is null or e.valid_until > clock_timestamp())
order by e.made_at, e.endorsement
limit $3
