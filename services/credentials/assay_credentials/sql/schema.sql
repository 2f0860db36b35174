-- The schema of the credentials service. It is the truth; the migrations must add up to it.
--
-- Every key begins with the tenant, which is also the distribution key. Columns ending in _ms are
-- milliseconds of the log's time (append times).

create schema if not exists credentials;

-- What every consuming service has ---------------------------------------------------------------

create table credentials.applied (
  projection text,
  topic text,
  partition int,
  cluster_id text not null,
  topic_id text not null,
  next_offset bigint not null,
  stored_ms bigint not null,
  applied_at timestamptz not null default now(),
  primary key (projection, topic, partition)
);

create table credentials.quarantine (
  projection text,
  topic text,
  partition int,
  record_offset bigint,
  append_ms bigint not null,
  reason text not null,
  headers bytea[] not null,
  key bytea,
  value bytea,
  at timestamptz not null default now(),
  primary key (projection, topic, partition, record_offset)
);

create table credentials.outbox (
  id bigint generated always as identity primary key,
  topic text not null,
  key bytea not null,
  value bytea not null,
  created_at timestamptz not null default now()
);

-- Who may come in, by a key or by a token whose claim `oidc_claim` has the value `oidc_value`. The
-- previous secret works until its time is over. A limit that is null is that of the settings.
create table credentials.api_client (
  name text primary key,
  tenant text not null,
  secret_hash text,
  source text,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  previous_secret_hash text,
  previous_secret_until timestamptz,
  last_used_at timestamptz,
  oidc_issuer text,
  oidc_claim text check (oidc_claim in ('sub', 'azp')),
  oidc_value text,
  requests_per_second_max float8 check (requests_per_second_max > 0),
  statements_per_second_max float8 check (statements_per_second_max > 0),
  statements_per_day_max bigint check (statements_per_day_max > 0),
  constraint api_client_door check (secret_hash is not null or oidc_issuer is not null)
);

create unique index api_client_bound on credentials.api_client (oidc_issuer, oidc_claim, oidc_value)
  where oidc_issuer is not null and revoked_at is null;
create index api_client_tenant on credentials.api_client (tenant, name);

-- Records of the tenant ---------------------------------------------------------------------------

-- Who issues. A tenant may have several; `main` is called by the tenant's own name until it has a row.
-- `method` and `kind` are those of the keys that are made from now on: did:key or did:web, and where
-- the private halves are.
create table credentials.issuer (
  tenant text,
  name text not null,
  url text,
  changed_at timestamptz not null default now(),
  issuer text,
  method text not null default 'key' check (method in ('key', 'web')),
  kind text not null default 'file' check (kind in ('file', 'pkcs11', 'awskms')),
  primary key (tenant, issuer)
);

-- The public halves of the keys that ever signed: the fragment of `method` is the key (Multikey).
-- `reference` says to whatever holds the private half which one it is. One signs (`active`); what
-- those that are `verify_only` signed still holds. Everything that one that is `removed` or
-- `compromised` signed is revoked.
create table credentials.issuer_key (
  tenant text,
  did text not null,
  method text,
  made_at timestamptz not null default now(),
  issuer text not null,
  kind text not null check (kind in ('file', 'pkcs11', 'awskms')),
  reference text not null,
  state text not null check (state in ('active', 'verify_only', 'removed', 'compromised')),
  retired_at timestamptz,
  primary key (tenant, method)
);
create unique index issuer_key_active on credentials.issuer_key (tenant, issuer)
  where state = 'active';
create index issuer_key_did on credentials.issuer_key (did);

-- What the credential for a competency says. `levels` are the names of level 1, 2, 3 ...
create table credentials.achievement (
  tenant text,
  competency text,
  name text not null,
  description text not null,
  criteria text not null,
  code text,
  framework text,
  levels text[] not null default '{}',
  changed_at timestamptz not null default now(),
  primary key (tenant, competency)
);

-- How the credential for a competency looks. A version is proposed, and brought into force by somebody
-- else; its content never changes. At most one is in force for a competency.
create table credentials.template (
  tenant text,
  template text,
  version int,
  competency text not null,
  content jsonb not null,
  content_sha256 bytea not null,
  state text not null check (state in ('proposed', 'approved', 'withdrawn', 'retired')),
  proposed_by text not null,
  reason text not null,
  proposed_at timestamptz not null default clock_timestamp(),
  approved_by text,
  approved_at timestamptz,
  ended_by text,
  ended_at timestamptz,
  primary key (tenant, template, version),
  constraint template_two_people check (approved_by <> proposed_by),
  constraint template_approval
    check ((state in ('approved', 'retired')) = (approved_by is not null)),
  constraint template_end check ((state in ('withdrawn', 'retired')) = (ended_by is not null))
);
create unique index template_in_force on credentials.template (tenant, competency)
  where state = 'approved';
create unique index template_version_in_force on credentials.template (tenant, template)
  where state = 'approved';
create unique index template_proposal on credentials.template (tenant, template)
  where state = 'proposed';

-- Pictures of templates, by their hash.
create table credentials.image (
  tenant text,
  sha256 bytea,
  media_type text not null check (media_type in ('image/png', 'image/svg+xml')),
  content bytea not null,
  put_by text not null,
  put_at timestamptz not null default clock_timestamp(),
  primary key (tenant, sha256)
);

-- Records of the operator --------------------------------------------------------------------------

-- Whom the service trusts beside its own issuers, as a registry has them and not as they call
-- themselves; all of its tenants alike, since whoever verifies names none. `achievements` are the ids
-- (or alignments) that it may issue, null is all. An entry is never changed: it is removed, and
-- another one added.
create table credentials.trusted_issuer (
  did text,
  added_at timestamptz default clock_timestamp(),
  name text not null,
  registry text,
  registry_url text,
  achievements text[],
  trusted_from timestamptz not null,
  trusted_until timestamptz,
  added_by text not null,
  reason text not null,
  removed_at timestamptz,
  removed_by text,
  removed_reason text,
  primary key (did, added_at),
  constraint trusted_issuer_removal check ((removed_at is null) = (removed_by is null)),
  constraint trusted_issuer_period check (trusted_until > trusted_from)
);
create unique index trusted_issuer_now on credentials.trusted_issuer (did) where removed_at is null;

-- The public keys that signed verification receipts. What one signed that was withdrawn is not ours.
create table credentials.receipt_key (
  did text primary key,
  method text not null,
  made_at timestamptz not null default clock_timestamp(),
  withdrawn_at timestamptz
);

-- People who decide --------------------------------------------------------------------------------

-- Accounts of people who sign, and their signatures. A password is `temporary` until the person
-- has chosen it: whoever set it cannot sign with it.
create table credentials.account (
  tenant text,
  account text check (account ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  name text not null,
  secret_hash text not null,
  temporary boolean not null,
  roles text[] not null,
  created_at timestamptz not null default now(),
  password_at timestamptz not null default now(),
  disabled_at timestamptz,
  failures int not null default 0 check (failures >= 0),
  locked_until timestamptz,
  primary key (tenant, account)
);

create table credentials.signature (
  tenant text,
  signature uuid,
  account text not null,
  name text not null,
  meaning text not null,
  content_hash text not null,
  recorded_ms bigint not null,
  signed_at timestamptz not null default clock_timestamp(),
  primary key (tenant, signature),
  foreign key (tenant, account) references credentials.account (tenant, account)
);
create index signature_content on credentials.signature (tenant, content_hash);

-- Who changed what, when and why, of everything that people decide. Append-only by grants. `actor`
-- is the API client or the account that acted; `before` and `after` hold no personal data.
create table credentials.audit_event (
  tenant text,
  event bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  recorded_ms bigint not null,
  actor text not null,
  action text not null,
  subject text not null,
  reason text,
  before json,
  after json,
  primary key (tenant, event)
);
create index audit_event_subject on credentials.audit_event (tenant, subject, event);
create index audit_event_action on credentials.audit_event (tenant, action, event);
create index audit_event_actor on credentials.audit_event (tenant, actor, event);

-- What two people sign that others hold, for one or many. `request` says who asked for a badge of
-- participation. The signatures are bound to `content_hash`, which holds the digest of the people.
create table credentials.manual_award (
  tenant text,
  manual uuid,
  kind text not null check (kind in ('competency', 'participation')),
  competency text not null,
  level int,
  achieved_on date not null,
  expires_on date,
  timezone text not null,
  reason text not null,
  request text,
  meaning text not null,
  people int not null check (people > 0),
  people_sha256 bytea not null,
  content_hash text not null,
  proposed_by text not null,
  proposed_signature uuid not null,
  proposed_at timestamptz not null default clock_timestamp(),
  approved_by text,
  approved_signature uuid,
  approved_at timestamptz,
  cancelled_by text,
  cancelled_at timestamptz,
  primary key (tenant, manual),
  foreign key (tenant, proposed_signature) references credentials.signature (tenant, signature),
  foreign key (tenant, approved_signature) references credentials.signature (tenant, signature),
  constraint manual_award_two_people check (approved_by <> proposed_by),
  constraint manual_award_approval check (
    (approved_by is null) = (approved_at is null)
    and (approved_by is null) = (approved_signature is null)),
  constraint manual_award_cancelled check (
    (cancelled_by is null) = (cancelled_at is null)
    and (cancelled_by is null or approved_by is null)),
  constraint manual_award_request check ((kind = 'participation') = (request is not null))
);

-- Of whom it is. `outcome` is settled when the second person signs; `withdrawal` is what took it back.
create table credentials.manual_person (
  tenant text,
  manual uuid,
  person uuid,
  outcome text check (outcome in ('awarded', 'already_holds', 'refused')),
  why text,
  withdrawal uuid,
  primary key (tenant, manual, person),
  foreign key (tenant, manual) references credentials.manual_award (tenant, manual)
);

-- The way back, by two people as well; without a person it is the whole award's.
create table credentials.manual_withdrawal (
  tenant text,
  withdrawal uuid,
  manual uuid not null,
  person uuid,
  reason text not null,
  meaning text not null,
  content_hash text not null,
  proposed_by text not null,
  proposed_signature uuid not null,
  proposed_at timestamptz not null default clock_timestamp(),
  approved_by text,
  approved_signature uuid,
  approved_at timestamptz,
  primary key (tenant, withdrawal),
  foreign key (tenant, manual) references credentials.manual_award (tenant, manual),
  foreign key (tenant, proposed_signature) references credentials.signature (tenant, signature),
  foreign key (tenant, approved_signature) references credentials.signature (tenant, signature),
  constraint manual_withdrawal_two_people check (approved_by <> proposed_by),
  constraint manual_withdrawal_approval check (
    (approved_by is null) = (approved_at is null)
    and (approved_by is null) = (approved_signature is null))
);
create index manual_withdrawal_manual on credentials.manual_withdrawal (tenant, manual);

-- As the competencies topic tells it: `person` is `kept` while the merge stands.
create table credentials.person_merge (
  tenant text,
  merge uuid,
  person uuid not null,
  kept uuid not null,
  is_retracted boolean not null default false,
  primary key (tenant, merge),
  check (person <> kept)
);
create index person_merge_person on credentials.person_merge (tenant, person)
  where not is_retracted;
create index person_merge_kept on credentials.person_merge (tenant, kept) where not is_retracted;

-- The outreach realm: whole tenants, and people of others. Nothing is issued there but badges of
-- participation.
create table credentials.outreach_tenant (
  tenant text primary key,
  added_by text not null,
  added_at timestamptz not null default now(),
  removed_at timestamptz
);

create table credentials.outreach_person (
  tenant text,
  person uuid,
  added_by text not null,
  added_at timestamptz not null default now(),
  removed_at timestamptz,
  primary key (tenant, person)
);

-- Awards and credentials --------------------------------------------------------------------------

-- The last event of the topic for each person and competency. There is work for it while `version`
-- is not `done_version`; `taken_until` keeps a second worker from taking the same work, and is no
-- more than a saving: what two workers do at once is still done once. `source` says what the standing
-- follows from: the decisions of the topic, or what two people signed (`manual`). `sequence` is always
-- the last that was heard of, 0 for none; `reason` is why it was lost or changed.
create table credentials.award (
  tenant text,
  person uuid,
  competency text,
  sequence bigint not null,
  standing text not null
    check (standing in ('held', 'withdrawn', 'suspended', 'under_review', 'expired', 'revoked')),
  level int,
  achieved_on date,
  expires_on date,
  timezone text not null,
  as_of timestamptz not null,
  decision uuid,
  rule_id text,
  rule_version int,
  rule_hash text,
  evidence_digest bytea not null,
  event_ms bigint not null,
  version bigint not null default 1,
  done_version bigint not null default 0,
  taken_until timestamptz,
  failure text,
  source text not null default 'decision' check (source in ('decision', 'manual')),
  kind text not null default 'competency'
    check (kind in ('competency', 'participation')),
  manual uuid,
  reason text,
  primary key (tenant, person, competency),
  constraint award_ground
    check ((source = 'decision') = (decision is not null)
      and (source = 'manual') = (manual is not null))
);
create index award_work on credentials.award (event_ms) where version <> done_version;
create index award_failed on credentials.award (tenant) where failure is not null;
create index award_lapsing on credentials.award (expires_on)
  where source = 'manual' and standing = 'held' and expires_on is not null;
create index award_manual on credentials.award (tenant, manual) where manual is not null;

-- One list per tenant, key and purpose takes new entries (`is_open`). `version` counts the changes
-- of its bits, `signed_version` says which of them the served document holds. One that `is_final` is
-- never signed again: its key has signed it for good.
create table credentials.status_list (
  tenant text,
  list uuid,
  did text not null,
  purpose text not null check (purpose in ('revocation', 'suspension')),
  size int not null,
  allocated int not null default 0,
  is_open boolean not null default true,
  version bigint not null default 1,
  signed_version bigint not null default 0,
  document bytea,
  signed_at timestamptz,
  valid_until timestamptz,
  is_final boolean not null default false,
  primary key (tenant, list)
) with (fillfactor = 70);
create unique index status_list_open
  on credentials.status_list (tenant, did, purpose) where is_open;
create index status_list_list on credentials.status_list (list);
create index status_list_unsigned
  on credentials.status_list (tenant) where version <> signed_version;

create table credentials.status_entry (
  tenant text,
  list uuid,
  index int,
  credential uuid not null,
  is_set boolean not null default false,
  primary key (tenant, list, index)
);
create index status_entry_set on credentials.status_entry (tenant, list) where is_set;

-- `sequence` and what stands beside it are the award's that the credential was made from, and do
-- not change once it is published. `followed_sequence` is that of the last event that it followed.
-- `template` is null for what was made without one, and there is no place in a suspension list where
-- the template asks for one status entry only. It stands on a decision or on what two people signed
-- (`manual`). `reason` is why it is suspended, superseded or revoked: for the learner, never public.
create table credentials.credential (
  tenant text,
  credential uuid,
  person uuid not null,
  competency text not null,
  state text not null
    check (state in ('intended', 'issued', 'suspended', 'expired', 'superseded', 'revoked')),
  sequence bigint not null,
  followed_sequence bigint not null,
  decision uuid,
  level int,
  achieved_on date,
  expires_on date,
  timezone text not null,
  as_of timestamptz not null,
  evidence_digest bytea not null,
  did text not null,
  salt bytea not null,
  revocation_list uuid not null,
  revocation_index int not null,
  suspension_list uuid,
  suspension_index int,
  intended_at timestamptz not null,
  document bytea,
  contexts jsonb,
  valid_from timestamptz,
  valid_until timestamptz,
  issued_at timestamptz,
  changed_at timestamptz not null default clock_timestamp(),
  template text,
  template_version int,
  jwt text,
  manual uuid,
  kind text not null default 'competency'
    check (kind in ('competency', 'participation')),
  reason text,
  method text not null,
  primary key (tenant, credential),
  check ((state = 'intended') = (document is null)),
  check ((state = 'intended') = (issued_at is null)),
  constraint credential_ground check ((decision is null) <> (manual is null)),
  constraint credential_template check ((template is null) = (template_version is null)),
  constraint credential_suspension
    check ((suspension_list is null) = (suspension_index is null))
);
-- At most one that counts, and at most one that is being made to take its place.
create unique index credential_live
  on credentials.credential (tenant, person, competency) where state in ('issued', 'suspended');
create unique index credential_intended
  on credentials.credential (tenant, person, competency) where state = 'intended';
create index credential_person on credentials.credential (tenant, person, credential);
create index credential_credential on credentials.credential (credential);
create index credential_manual on credentials.credential (tenant, manual, person)
  where manual is not null;
-- What a key signed, and is not revoked.
create index credential_method on credentials.credential (tenant, method, credential)
  where state <> 'revoked';

-- Transcripts and endorsements --------------------------------------------------------------------

-- What was signed as a transcript (CLR 2.0), for whom and on whose request: the document is not kept.
create table credentials.transcript (
  tenant text,
  transcript uuid,
  person uuid not null,
  method text not null,
  credentials uuid[] not null,
  sha256 bytea not null,
  asked_by text not null,
  made_at timestamptz not null default clock_timestamp(),
  primary key (tenant, transcript)
);
create index transcript_person on credentials.transcript (tenant, person, made_at);

-- Who vouches for a credential, for what can be earned (an achievement), or for an issuer. `endorsed` is
-- its id. `content_sha256` is of what was asked for: asking again for the same changes nothing.
create table credentials.endorsement (
  tenant text,
  endorsement uuid,
  issuer text not null,
  method text not null,
  state text not null check (state in ('issued', 'withdrawn')),
  kind text not null check (kind in ('credential', 'achievement', 'issuer')),
  endorsed text not null,
  credential uuid,
  name text not null,
  comment text not null,
  valid_until timestamptz,
  content_sha256 bytea not null,
  document bytea not null,
  revocation_list uuid not null,
  revocation_index int not null,
  made_at timestamptz not null,
  withdrawn_at timestamptz,
  primary key (tenant, endorsement),
  constraint endorsement_kind check ((kind = 'credential') = (credential is not null)),
  constraint endorsement_end check ((state = 'withdrawn') = (withdrawn_at is not null))
);
create index endorsement_endorsed on credentials.endorsement (tenant, endorsed)
  where state = 'issued';

-- Holding ------------------------------------------------------------------------------------------

-- Links by which a credential is shown: several, each with its end.
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

-- Presentations --------------------------------------------------------------------------------

-- What was asked of wallets (OpenID4VP), and what they answered, for minutes. It belongs to no tenant:
-- anybody may ask. The page of whoever asked is found by the hash of a secret, and `request` is what
-- the wallet knows.
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

-- Least privileges: nothing but what has been sent is ever deleted. -------------------------------

grant usage on schema credentials to assay_credentials;

grant select, insert, update on credentials.applied to assay_credentials;
grant select, insert on credentials.quarantine to assay_credentials;
grant select, insert, delete on credentials.outbox to assay_credentials;
grant select, update (last_used_at) on credentials.api_client to assay_credentials;
grant select on credentials.issuer to assay_credentials;
-- Who publishes locks the row of the key, which only those can who may change something of it.
grant select, insert, update (retired_at) on credentials.issuer_key to assay_credentials;
grant select on credentials.achievement to assay_credentials;
grant select, insert,
  update (state, approved_by, approved_at, ended_by, ended_at) on credentials.template
  to assay_credentials;
grant select, insert on credentials.image to assay_credentials;
grant select on credentials.trusted_issuer to assay_credentials;
grant select, insert on credentials.receipt_key to assay_credentials;
grant select, insert, update (
  secret_hash, temporary, password_at, disabled_at, failures, locked_until
) on credentials.account to assay_credentials;
grant select, insert on credentials.signature to assay_credentials;
grant select, insert on credentials.audit_event to assay_credentials;
grant select, insert,
  update (approved_by, approved_signature, approved_at, cancelled_by, cancelled_at)
  on credentials.manual_award to assay_credentials;
grant select, insert, update (outcome, why, withdrawal) on credentials.manual_person
  to assay_credentials;
grant select, insert, update (approved_by, approved_signature, approved_at)
  on credentials.manual_withdrawal to assay_credentials;
grant select, insert, update (is_retracted) on credentials.person_merge to assay_credentials;
grant select on credentials.outreach_tenant to assay_credentials;
grant select on credentials.outreach_person to assay_credentials;
grant select, insert on credentials.transcript to assay_credentials;
grant select, insert, update (state, withdrawn_at) on credentials.endorsement to assay_credentials;
grant select, insert, update on credentials.award to assay_credentials;
grant select, insert, update on credentials.status_list to assay_credentials;
grant select, insert, update (is_set) on credentials.status_entry to assay_credentials;
grant select, insert, update on credentials.credential to assay_credentials;
grant select, insert, update (revoked_at) on credentials.share_link to assay_credentials;
grant select, insert, update (
  wrong_codes, withdrawn_at, redeemed_at, token_sha256, token_expires_at, claimed_at, wallet_event,
  wallet_event_at
) on credentials.offer to assay_credentials;
grant select, insert on credentials.bound_copy to assay_credentials;
-- Nonces that are over are deleted: they would be refused anyway. Only who may update locks a row.
grant select, insert, delete, update (expires_at) on credentials.used_nonce
  to assay_credentials;
-- What was shown by a wallet is deleted within minutes.
grant select, insert, delete, update (answered_at, answer, declined)
  on credentials.presentation to assay_credentials;
