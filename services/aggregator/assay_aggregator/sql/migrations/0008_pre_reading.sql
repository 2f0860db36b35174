-- The training matrix finds people by what they hold, in the order of its pages; what expires is
-- found by the day.
drop index aggregator.decision_current_competency;
create index decision_current_competency
  on aggregator.decision_current (tenant, competency, status, person);
create index decision_current_expiry
  on aggregator.decision_current (tenant, expires_on, person, competency)
  where expires_on is not null;
