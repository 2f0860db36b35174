-- Issuers and their keys. Order of locks: awards, then keys, then status lists.

-- name: signing_key
-- One row, whatever there is: how the issuer is described, its key that signs, and how many it had.
select i.name, i.url, i.method as new_method, i.kind as new_kind,
  k.did, k.method, k.kind, k.reference,
  (select count(*) from credentials.issuer_key as a
   where a.tenant = n.tenant and a.issuer = n.issuer) as keys
from (select $1::text as tenant, $2::text as issuer) as n
left join credentials.issuer as i on i.tenant = n.tenant and i.issuer = n.issuer
left join credentials.issuer_key as k
  on k.tenant = n.tenant and k.issuer = n.issuer and k.state = 'active'

-- name: key_of_did
-- The one that signs for the DID; of a did:key that signs no more credentials, the one that follows
-- what it signed.
select k.issuer, k.did, k.method, k.kind, k.reference, i.name, i.url
from credentials.issuer_key as k
left join credentials.issuer as i on i.tenant = k.tenant and i.issuer = k.issuer
where k.tenant = $1 and k.did = $2 and k.state in ('active', 'verify_only')
order by k.state = 'active' desc, k.made_at desc, k.method
limit 1

-- name: lock_issuer
-- Until the transaction ends, nobody else makes a key of this issuer, described or not.
select pg_advisory_xact_lock(hashtextextended('issuer ' || $1 || ' ' || $2, 0))

-- name: insert_key
insert into credentials.issuer_key
  (tenant, method, issuer, did, kind, reference, state)
values ($1, $2, $3, $4, $5, $6, 'active')
on conflict do nothing

-- name: lock_signing_keys
-- The keys that may still be published under. The lock ends with the transaction, and keeps a key
-- from being removed meanwhile.
select k.tenant, k.method
from unnest($1::text[], $2::text[]) as n (tenant, method)
join credentials.issuer_key as k using (tenant, method)
where k.state in ('active', 'verify_only')
order by k.tenant, k.method
for share of k

-- name: public_keys
-- The one that signs comes first, then the newest.
select k.did, k.method, k.kind, k.reference, k.state, k.made_at, k.retired_at, i.name, i.url
from credentials.issuer_key as k
left join credentials.issuer as i on i.tenant = k.tenant and i.issuer = k.issuer
where k.tenant = $1 and k.issuer = $2
order by k.state = 'active' desc, k.made_at desc, k.method

-- name: put_issuer
-- What is null stays as it was, and is the default for an issuer that is new.
insert into credentials.issuer as i (tenant, issuer, name, url, method, kind)
values ($1, $2, $3, $4, coalesce($5, 'key'), coalesce($6, 'file'))
on conflict (tenant, issuer) do update
set name = excluded.name, url = excluded.url, method = coalesce($5, i.method),
  kind = coalesce($6, i.kind), changed_at = now()

-- Procedures, run as the owner role -----------------------------------------------------------------

-- name: list_issuers
select i.tenant, i.issuer, i.name, i.url, i.method, i.kind
from credentials.issuer as i
where $1::text is null or i.tenant = $1
union
select distinct k.tenant, k.issuer, null, null, null, null
from credentials.issuer_key as k
where ($1::text is null or k.tenant = $1) and not exists (
  select from credentials.issuer as i where i.tenant = k.tenant and i.issuer = k.issuer)
order by 1, 2

-- name: methods_called
select method from credentials.issuer_key
where tenant = $1 and (method = $2 or split_part(method, '#', 2) = $2)
order by method

-- name: find_issuer
select name, url, method, kind from credentials.issuer where tenant = $1 and issuer = $2

-- name: count_signed
-- What a key signed, by what became of it.
select state, count(*) as credentials
from credentials.credential
where tenant = $1 and method = $2 and state <> 'intended'
group by state

-- name: count_reissued
-- Credentials of a key whose awards are held: they get another one in its place.
select count(*)
from credentials.credential as c
join credentials.award as a using (tenant, person, competency)
where c.tenant = $1 and c.method = $2 and c.state in ('issued', 'suspended')
  and a.standing = 'held'

-- name: count_endorsements
select count(*) from credentials.endorsement
where tenant = $1 and method = $2 and state = 'issued'

-- name: count_transcripts
select count(*) from credentials.transcript where tenant = $1 and method = $2

-- name: find_key
-- The lock keeps everybody from publishing under it until the transaction ends.
select issuer, did, method, kind, reference, state
from credentials.issuer_key
where tenant = $1 and method = $2
for update

-- name: set_key_state
update credentials.issuer_key
set state = $3, retired_at = coalesce(retired_at, clock_timestamp())
where tenant = $1 and method = $2

-- name: signed_awards
-- The next credentials of a key that are not revoked.
select person, competency
from credentials.credential
where tenant = $1 and method = $2 and state not in ('revoked', 'intended')
order by credential
limit $3

-- name: lock_awards
select a.person, a.competency, a.standing
from unnest($1::text[], $2::uuid[], $3::text[]) as n (tenant, person, competency)
join credentials.award as a using (tenant, person, competency)
order by a.tenant, a.person, a.competency
for update of a

-- name: signed_credentials
-- Read once their awards are locked, so that nobody changes them meanwhile.
select c.credential, c.person, c.competency, c.state, c.followed_sequence,
  c.revocation_list, c.revocation_index, c.suspension_list, c.suspension_index
from unnest($3::uuid[], $4::text[]) as n (person, competency)
join credentials.credential as c
  on c.tenant = $1 and c.person = n.person and c.competency = n.competency
where c.method = $2 and c.state not in ('revoked', 'intended')
order by c.credential

-- name: ask_again
-- Work for the issuing workers: the award is as it was, and has no credential any more.
update credentials.award as a
set version = a.version + 1, failure = null, taken_until = null
from unnest($1::text[], $2::uuid[], $3::text[]) as n (tenant, person, competency)
where a.tenant = n.tenant and a.person = n.person and a.competency = n.competency
  and a.standing = 'held'
returning a.person

-- name: signed_endorsements
select endorsement, revocation_list, revocation_index
from credentials.endorsement
where tenant = $1 and method = $2 and state = 'issued'
order by endorsement
limit $3
for update

-- name: withdraw_endorsements
update credentials.endorsement
set state = 'withdrawn', withdrawn_at = clock_timestamp()
where tenant = $1 and endorsement = any($2::uuid[]) and state = 'issued'

-- name: lists_of_did
select list from credentials.status_list
where tenant = $1 and did = $2 and not is_final
order by list

-- name: sign_lists_anew
-- The served document may be signed by a key that does not count any more.
update credentials.status_list
set version = version + 1
where tenant = $1 and did = $2 and not is_final

-- name: close_lists_of_did
update credentials.status_list set is_open = false
where tenant = $1 and did = $2 and is_open

-- name: finish_list
update credentials.status_list
set is_final = true, is_open = false, document = coalesce($4, document),
  signed_version = case when $4::bytea is null then signed_version else $3 end,
  signed_at = case when $4::bytea is null then signed_at else clock_timestamp() end,
  valid_until = case when $4::bytea is null then valid_until else $5 end
where tenant = $1 and list = $2
