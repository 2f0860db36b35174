-- A search by activity and verb is answered from the index: without the verb in it, thousands of
-- rows were read to find the few that match.
drop index ingest.statement_activity;
create index statement_activity on ingest.statement (tenant, activity, stored_ms, id)
  include (verb) where activity is not null;
