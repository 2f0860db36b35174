-- Accounts of people who sign, and their signatures. {schema} is the service's own schema.

-- name: insert_account
insert into {schema}.account (tenant, account, name, secret_hash, temporary, roles)
values ($1, $2, $3, $4, $5, $6)
on conflict (tenant, account) do nothing

-- name: find_account
select account, name, secret_hash, temporary, roles, disabled_at, failures,
  locked_until is not null and locked_until > now() as is_locked
from {schema}.account
where tenant = $1 and account = $2

-- name: lock_account
-- As `find_account`; held to the end, so that guesses at one password come one after the other.
select account, name, secret_hash, temporary, roles, disabled_at, failures,
  locked_until is not null and locked_until > now() as is_locked
from {schema}.account
where tenant = $1 and account = $2
for update

-- name: list_accounts
select account, name, roles, temporary, created_at, password_at, disabled_at, failures, locked_until
from {schema}.account
where tenant = $1 and ($2::text is null or account > $2)
order by account
limit $3

-- name: disable_account
update {schema}.account
set disabled_at = now()
where tenant = $1 and account = $2 and disabled_at is null
returning account

-- name: set_password
update {schema}.account
set secret_hash = $3, temporary = $4, password_at = now(), failures = 0, locked_until = null
where tenant = $1 and account = $2 and disabled_at is null
returning account

-- name: count_failure
-- One more wrong password; with the last that is allowed ($3) the account is locked for $4 seconds.
update {schema}.account
set failures = case when failures + 1 >= $3 then 0 else failures + 1 end,
  locked_until = case when failures + 1 >= $3 then now() + make_interval(secs => $4)
    else locked_until end
where tenant = $1 and account = $2
returning failures, locked_until is not null and locked_until > now() as is_locked

-- name: forget_failures
update {schema}.account
set failures = 0, locked_until = null
where tenant = $1 and account = $2 and (failures > 0 or locked_until is not null)

-- name: insert_signature
insert into {schema}.signature
  (tenant, signature, account, name, meaning, content_hash, recorded_ms)
values ($1, $2, $3, $4, $5, $6, $7)
returning signed_at

-- name: find_signatures
select signature, account, name, meaning, content_hash, recorded_ms, signed_at
from {schema}.signature
where tenant = $1 and signature = any($2::uuid[])
order by signature
