-- What is asked of wallets (OpenID4VP), and what they answered, for minutes. The rows belong to no
-- tenant: anybody may ask.

-- name: insert_request
-- Nothing when so many already wait: this is open to everybody, and must have an end.
insert into credentials.presentation (session_sha256, request, nonce, made_at, expires_at)
select $1, $2, $3, $4, $5
where (
  select count(*) from (
    select 1 from credentials.presentation as waiting
    where waiting.expires_at > $4 limit $6) as counted) < $6

-- name: find_session
select request, nonce, made_at, expires_at, answered_at, answer, declined
from credentials.presentation
where session_sha256 = $1

-- name: find_request
select request, nonce, made_at, expires_at
from credentials.presentation
where request = $1 and answered_at is null and expires_at > $2

-- name: answer_request
-- Once: who comes second finds it answered.
update credentials.presentation
set answered_at = $2, answer = $3, declined = $4
where request = $1 and answered_at is null and expires_at > $2
returning request

-- name: forget
-- What was shown is somebody's own, and is not kept longer than it takes to read it.
delete from credentials.presentation
where session_sha256 in (
  select old.session_sha256 from credentials.presentation as old
  where coalesce(old.answered_at, old.expires_at) < $1
  order by coalesce(old.answered_at, old.expires_at) limit $2)
