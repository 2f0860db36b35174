-- Documents of tools: State, Agent Profile, Activity Profile. They are no evidence, so they are not
-- in the log. `place` is the first 16 bytes of the SHA-256 of what they are about (kind, activity,
-- agent), `document` those of registration and name. `mergeable`: a JSON object whose top-level
-- keys `merged_document` can replace.
create table ingest.document (
  tenant text not null,
  place uuid not null,
  document uuid not null,
  kind text not null,
  activity text,
  agent text,
  registration uuid,
  name text not null,
  content_type text not null,
  body bytea not null,
  mergeable boolean not null,
  updated_at timestamptz not null,
  primary key (tenant, place, document)
);

-- The JSON object `old` with the top-level members of `new` put over it: those of `old` keep their
-- places, the others follow. The type json, unlike jsonb, keeps the text of every value, and with
-- it the digits of numbers.
create function ingest.merged_document(old bytea, new bytea) returns bytea
language sql stable strict parallel safe
return (
  select convert_to(
    '{' || coalesce(
      string_agg(
        to_json(coalesce(o.name, n.name))::text || ':' || coalesce(n.value, o.value)::text,
        ',' order by o.place nulls last, n.place
      ),
      ''
    ) || '}',
    'UTF8'
  )
  from json_each(convert_from(old, 'UTF8')::json) with ordinality as o (name, value, place)
  full join json_each(convert_from(new, 'UTF8')::json) with ordinality as n (name, value, place)
    on o.name collate "C" = n.name collate "C"
);

grant select, insert, update, delete on ingest.document to assay_ingest;
