-- Several issuers of a tenant, and several keys of an issuer. The keys that there are are files named
-- after the tenant, and did:key: the fragment of the method is the public key.
alter table credentials.issuer
  add column issuer text not null default 'main',
  add column method text not null default 'key' check (method in ('key', 'web')),
  add column kind text not null default 'file' check (kind in ('file', 'pkcs11', 'awskms')),
  drop constraint issuer_pkey,
  add primary key (tenant, issuer);
alter table credentials.issuer alter column issuer drop default;

alter table credentials.issuer_key
  add column issuer text not null default 'main',
  add column kind text not null default 'file' check (kind in ('file', 'pkcs11', 'awskms')),
  add column reference text,
  add column state text not null default 'active'
    check (state in ('active', 'verify_only', 'removed', 'compromised')),
  add column retired_at timestamptz,
  drop constraint issuer_key_pkey,
  add primary key (tenant, method);
update credentials.issuer_key set reference = tenant || '.pem';
-- A tenant could have but one, unless its folder was exchanged: the newest signs.
update credentials.issuer_key as k
set state = 'verify_only', retired_at = now()
where exists (
  select from credentials.issuer_key as newer
  where newer.tenant = k.tenant and (newer.made_at, newer.did) > (k.made_at, k.did));
alter table credentials.issuer_key
  alter column issuer drop default,
  alter column kind drop default,
  alter column state drop default,
  alter column reference set not null,
  alter column did set not null;
create unique index issuer_key_active on credentials.issuer_key (tenant, issuer)
  where state = 'active';
create index issuer_key_did on credentials.issuer_key (did);

alter table credentials.credential add column method text;
update credentials.credential set method = did || '#' || substr(did, length('did:key:') + 1);
alter table credentials.credential alter column method set not null;
create index credential_method on credentials.credential (tenant, method, credential)
  where state <> 'revoked';

alter table credentials.status_list add column is_final boolean not null default false;

grant update (retired_at) on credentials.issuer_key to assay_credentials;
