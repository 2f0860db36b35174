-- Links by which a credential is shown: several, each with its end. The one that every credential had
-- becomes the first of them.
create table credentials.share_link (
  tenant text,
  link uuid,
  credential uuid not null,
  share_id text not null,
  purpose text not null check (purpose in ('holder', 'certificate')),
  label text,
  made_by text not null,
  made_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  revoked_at timestamptz,
  primary key (tenant, link)
);
create index share_link_share on credentials.share_link (share_id);
create index share_link_credential on credentials.share_link (tenant, credential, made_at);
create unique index share_link_certificate on credentials.share_link (tenant, credential)
  where purpose = 'certificate' and revoked_at is null;

insert into credentials.share_link (tenant, link, credential, share_id, purpose, made_by)
select tenant, gen_random_uuid(), credential, share_id, 'holder', 'made with the credential'
from credentials.credential;

alter table credentials.credential alter column share_id drop not null;

-- Offers of a credential to its holder's wallet. No code stands here: `code_sha256` and `token_sha256`
-- are digests, `sealed` is the transaction code under the code as the key.
create table credentials.offer (
  tenant text,
  offer uuid,
  credential uuid not null,
  protocol text not null check (protocol in ('oid4vci', 'vcapi')),
  code_sha256 bytea not null,
  sealed bytea,
  wrong_codes int not null default 0,
  made_by text not null,
  made_at timestamptz not null,
  expires_at timestamptz not null,
  withdrawn_at timestamptz,
  redeemed_at timestamptz,
  token_sha256 bytea,
  token_expires_at timestamptz,
  claimed_at timestamptz,
  wallet_event text
    check (wallet_event in ('credential_accepted', 'credential_failure', 'credential_deleted')),
  wallet_event_at timestamptz,
  primary key (tenant, offer),
  constraint offer_sealed check ((protocol = 'oid4vci') = (sealed is not null))
);
create index offer_code on credentials.offer (code_sha256);
create index offer_token on credentials.offer (token_sha256) where token_sha256 is not null;
create index offer_credential on credentials.offer (tenant, credential, made_at);

-- What wallets took: the credential, bound to a key of its holder. It has the credential's id and its
-- places in the status lists.
create table credentials.bound_copy (
  tenant text,
  credential uuid,
  format text check (format in ('ldp_vc', 'jwt_vc_json')),
  holder text,
  offer uuid not null,
  method text not null,
  document bytea not null,
  contexts jsonb not null,
  issued_at timestamptz not null,
  primary key (tenant, credential, format, holder)
);
create index bound_copy_offer on credentials.bound_copy (tenant, offer);

-- Nonces of wallets' proofs that were used, until they are over anyway.
create table credentials.used_nonce (
  tenant text,
  nonce_sha256 bytea,
  expires_at timestamptz not null,
  primary key (tenant, nonce_sha256)
);
create index used_nonce_end on credentials.used_nonce (expires_at);

grant select, insert, update (revoked_at) on credentials.share_link to assay_credentials;
grant select, insert, update (
  wrong_codes, withdrawn_at, redeemed_at, token_sha256, token_expires_at, claimed_at, wallet_event,
  wallet_event_at
) on credentials.offer to assay_credentials;
grant select, insert on credentials.bound_copy to assay_credentials;
grant select, insert, delete, update (expires_at) on credentials.used_nonce
  to assay_credentials;
