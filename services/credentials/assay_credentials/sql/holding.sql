-- Queries of holding: share links, offers to wallets, bound copies.

-- Share links --------------------------------------------------------------------------------------

-- name: insert_share
insert into credentials.share_link
  (tenant, link, credential, share_id, purpose, label, made_by, made_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict do nothing

-- name: list_shares
select link, share_id, purpose, label, made_by, made_at, expires_at, revoked_at
from credentials.share_link
where tenant = $1 and credential = $2
order by made_at, link

-- name: count_open_shares
select count(*) as links
from credentials.share_link
where tenant = $1 and credential = $2 and revoked_at is null
  and (expires_at is null or expires_at > $3)

-- name: revoke_share
update credentials.share_link
set revoked_at = coalesce(revoked_at, $4)
where tenant = $1 and credential = $2 and link = $3
returning link

-- name: certificate_share
select share_id
from credentials.share_link
where tenant = $1 and credential = $2 and purpose = 'certificate' and revoked_at is null

-- Offers -------------------------------------------------------------------------------------------

-- name: insert_offer
insert into credentials.offer
  (tenant, offer, credential, protocol, code_sha256, sealed, made_by, made_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: list_offers
select tenant, offer, credential, protocol, sealed, wrong_codes, made_by, made_at, expires_at,
  withdrawn_at, redeemed_at, token_expires_at, claimed_at, wallet_event, wallet_event_at
from credentials.offer
where tenant = $1 and credential = $2
order by made_at desc, offer
limit $3

-- name: find_offer
select tenant, offer, credential, protocol, sealed, wrong_codes, made_by, made_at, expires_at,
  withdrawn_at, redeemed_at, token_expires_at, claimed_at, wallet_event, wallet_event_at
from credentials.offer
where code_sha256 = $1

-- name: lock_offer
select tenant, offer, credential, protocol, sealed, wrong_codes, made_by, made_at, expires_at,
  withdrawn_at, redeemed_at, token_expires_at, claimed_at, wallet_event, wallet_event_at
from credentials.offer
where tenant = $1 and offer = $2
for update

-- name: find_offer_by_token
select tenant, offer, credential, protocol, sealed, wrong_codes, made_by, made_at, expires_at,
  withdrawn_at, redeemed_at, token_expires_at, claimed_at, wallet_event, wallet_event_at
from credentials.offer
where token_sha256 = $1

-- name: withdraw_offer
update credentials.offer
set withdrawn_at = coalesce(withdrawn_at, $4)
where tenant = $1 and credential = $2 and offer = $3
returning offer

-- name: count_wrong_code
update credentials.offer set wrong_codes = wrong_codes + 1 where tenant = $1 and offer = $2

-- name: redeem_offer
update credentials.offer
set redeemed_at = $3, token_sha256 = $4, token_expires_at = $5
where tenant = $1 and offer = $2 and redeemed_at is null

-- name: claim_offer
update credentials.offer
set claimed_at = coalesce(claimed_at, $3), redeemed_at = coalesce(redeemed_at, $3)
where tenant = $1 and offer = $2

-- name: note_wallet_event
update credentials.offer
set wallet_event = $3, wallet_event_at = $4
where tenant = $1 and offer = $2

-- Copies -------------------------------------------------------------------------------------------

-- name: to_bind
-- The credential with what a copy of it is signed with: the issuer's name is that of its key.
select c.tenant, c.credential, c.state, c.document, c.did, c.method, c.valid_until, k.issuer,
  coalesce(i.name, c.tenant) as issuer_name
from credentials.credential as c
join credentials.issuer_key as k on k.tenant = c.tenant and k.method = c.method
left join credentials.issuer as i on i.tenant = k.tenant and i.issuer = k.issuer
where c.tenant = $1 and c.credential = $2 and c.state <> 'intended'

-- name: lock_to_bind
-- Against an end of the credential between this look and the commit.
select c.state
from credentials.credential as c
where c.tenant = $1 and c.credential = $2
for share of c

-- name: copies_of_offer
select format, holder, document
from credentials.bound_copy
where tenant = $1 and offer = $2
order by format, holder

-- name: find_copies
select holder, document
from credentials.bound_copy
where tenant = $1 and credential = $2 and format = $3 and holder = any($4::text[])

-- name: insert_copies
insert into credentials.bound_copy
  (tenant, credential, format, holder, offer, method, document, contexts, issued_at)
select n.tenant, n.credential, n.format, n.holder, n.offer, n.method, n.document, n.contexts::jsonb,
  n.issued_at
from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::bytea[],
    $8::text[], $9::timestamptz[])
  as n (tenant, credential, format, holder, offer, method, document, contexts, issued_at)
on conflict do nothing

-- name: use_nonce
insert into credentials.used_nonce (tenant, nonce_sha256, expires_at) values ($1, $2, $3)
on conflict do nothing
returning nonce_sha256

-- name: forget_nonces
delete from credentials.used_nonce
where (tenant, nonce_sha256) in (
  select tenant, nonce_sha256 from credentials.used_nonce where expires_at < $1
  order by expires_at limit 100 for update skip locked
)

-- Issuers ------------------------------------------------------------------------------------------

-- name: issuer_name
select coalesce(
    (select i.name from credentials.issuer as i where i.tenant = $1 and i.issuer = $2), $1) as name
where exists (
  select from credentials.issuer_key as k where k.tenant = $1 and k.issuer = $2
)
