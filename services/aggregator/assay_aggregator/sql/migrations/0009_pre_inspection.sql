-- The audit trail is searched by what was done and by who did it.
create index audit_event_action on aggregator.audit_event (tenant, action, event);
create index audit_event_actor on aggregator.audit_event (tenant, actor, event);
