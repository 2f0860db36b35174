-- The links stand in `share_link` now. What was issued while the new code was put in place still has
-- its own here alone.
insert into credentials.share_link (tenant, link, credential, share_id, purpose, made_by)
select c.tenant, gen_random_uuid(), c.credential, c.share_id, 'holder', 'made with the credential'
from credentials.credential as c
where c.share_id is not null and not exists (
  select from credentials.share_link as s
  where s.tenant = c.tenant and s.credential = c.credential and s.share_id = c.share_id
);

alter table credentials.credential drop column share_id;
