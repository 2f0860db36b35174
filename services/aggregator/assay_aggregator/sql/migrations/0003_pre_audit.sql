-- Who changed what, when and why, of everything that people decide. Append-only by grants. `actor`
-- is the API client or the account that acted; `before` and `after` hold no personal data.
create table aggregator.audit_event (
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
create index audit_event_subject on aggregator.audit_event (tenant, subject, event);

grant select, insert on aggregator.audit_event to assay_aggregator;
