-- What is asked of wallets (OpenID4VP), and what they answered, for minutes.
create table credentials.presentation (
  session_sha256 bytea primary key,
  request text not null unique,
  nonce text not null,
  made_at timestamptz not null,
  expires_at timestamptz not null,
  answered_at timestamptz,
  answer bytea,
  declined text,
  check ((answered_at is null) = (answer is null and declined is null)),
  check (answer is null or declined is null)
);
create index presentation_end
  on credentials.presentation ((coalesce(answered_at, expires_at)));

grant select, insert, delete, update (answered_at, answer, declined)
  on credentials.presentation to assay_credentials;
