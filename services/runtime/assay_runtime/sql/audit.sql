-- The audit trail of a service. {schema} is the service's own schema.

-- name: insert_audit_event
insert into {schema}.audit_event
  (tenant, recorded_ms, actor, action, subject, reason, before, after)
values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: audit_events
-- Of a tenant in order, after an event; each filter is null where it is not asked for.
select event, at, recorded_ms, actor, action, subject, reason, before, after
from {schema}.audit_event
where tenant = $1 and event > $2
  and ($4::text is null or subject = $4)
  and ($5::text is null or actor = $5)
  and ($6::text is null or action = $6)
  and ($7::timestamptz is null or at >= $7)
  and ($8::timestamptz is null or at < $8)
  and ($9::bigint is null or recorded_ms <= $9)
order by event
limit $3

-- name: audit_reach
-- How many events there are from one to another, both included.
select count(*) as events from {schema}.audit_event
where tenant = $1 and event between $2 and $3
