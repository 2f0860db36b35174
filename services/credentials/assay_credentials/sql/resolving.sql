-- Queries about whom and what to trust, named; `resolving.store.TrustStore` has one method for each.

-- name: own_keys
-- All that a removed key signed is revoked, and the lists say so. What a compromised one signed may be
-- anybody's.
select did, method, state = 'removed' as is_removed
from credentials.issuer_key
where did = any($1::text[]) and state <> 'compromised'

-- name: own_issuers
select distinct on (k.did) k.did, coalesce(i.name, k.tenant) as name
from credentials.issuer_key as k
left join credentials.issuer as i on i.tenant = k.tenant and i.issuer = k.issuer
where k.state in ('active', 'verify_only')
order by k.did

-- name: trusted_issuers
select did, name, registry, registry_url, achievements
from credentials.trusted_issuer
where removed_at is null and trusted_from <= $1 and (trusted_until is null or trusted_until > $1)

-- name: list_trusted
select did, name, registry, registry_url, achievements, trusted_from, trusted_until, added_at,
  added_by, reason, removed_at, removed_by, removed_reason
from credentials.trusted_issuer
where removed_at is null or $1
order by did, added_at

-- name: add_trusted
insert into credentials.trusted_issuer
  (did, name, registry, registry_url, achievements, trusted_from, trusted_until, added_by, reason)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (did) where removed_at is null do nothing
returning did

-- name: remove_trusted
update credentials.trusted_issuer
set removed_at = clock_timestamp(), removed_by = $2, removed_reason = $3
where did = $1 and removed_at is null
returning did

-- name: receipt_keys
select did, method from credentials.receipt_key where withdrawn_at is null order by made_at, did

-- name: insert_receipt_key
insert into credentials.receipt_key (did, method) values ($1, $2) on conflict do nothing
