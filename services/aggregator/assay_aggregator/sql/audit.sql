-- name: insert_audit_event
insert into aggregator.audit_event
  (tenant, recorded_ms, actor, action, subject, reason, before, after)
values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: audit_events
-- Of a tenant in order, after an event; of one subject where it is given.
select event, at, recorded_ms, actor, action, subject, reason, before, after
from aggregator.audit_event
where tenant = $1 and event > $2 and ($3::text is null or subject = $3)
order by event
limit $4
