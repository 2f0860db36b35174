-- Where statements are forwarded to. Only the owner role writes what stands before `failures`.
create table ingest.forward_target (
  tenant text not null references ingest.tenant (tenant),
  target text not null,
  kind text not null check (kind in ('lrs', 'webhook')),
  url text not null,
  api_user text,
  own_source text,
  sources text[] not null default '{}',
  verbs text[] not null default '{}',
  activity_prefixes text[] not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  failures int not null default 0,
  next_at timestamptz not null default now(),
  lease_until timestamptz,
  last_error text,
  last_success_at timestamptz,
  primary key (tenant, target)
);

-- What waits for a target; the statements themselves are read from the store when they are sent.
-- Partition and offset say from when on the store must have it, `stored_ms` in which order they go.
create table ingest.forward_waiting (
  tenant text not null,
  target text not null,
  id uuid not null,
  partition int not null,
  record_offset bigint not null,
  stored_ms bigint not null,
  entry bigint generated always as identity,
  queued_at timestamptz not null default now(),
  tries int not null default 0,
  primary key (tenant, target, id),
  foreign key (tenant, target) references ingest.forward_target (tenant, target) on delete cascade
);

create index forward_waiting_order
  on ingest.forward_waiting (tenant, target, stored_ms, entry);

-- What a target refused, or did not take in all tries, and why.
create table ingest.forward_dead (
  tenant text not null,
  target text not null,
  id uuid not null,
  reason text not null,
  tries int not null,
  at timestamptz not null default clock_timestamp(),
  primary key (tenant, target, id),
  foreign key (tenant, target) references ingest.forward_target (tenant, target) on delete cascade
);

grant usage on schema ingest to assay_forward;
grant select, insert, update, delete on ingest.applied to assay_forward;
grant select, insert on ingest.quarantine to assay_forward;
grant select on ingest.statement, ingest.statement_key to assay_forward;
grant select, update (failures, next_at, lease_until, last_error, last_success_at)
  on ingest.forward_target to assay_forward;
grant select, insert, update (tries), delete on ingest.forward_waiting to assay_forward;
grant select, insert, update on ingest.forward_dead to assay_forward;
