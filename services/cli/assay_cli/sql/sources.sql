-- name: list_sources
select tenant, source, modality, vouches_for_assessors, learner_controlled,
  authority is not null as has_authority
from ingest.source
where ($1::text is null or tenant = $1) and (tenant, source) > ($2, $3)
order by tenant, source
limit $4

-- name: find_source
select modality, vouches_for_assessors, learner_controlled, authority
from ingest.source
where tenant = $1 and source = $2
