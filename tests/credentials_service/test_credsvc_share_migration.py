"""The link that every credential had is still there when links have got a table of their own."""

from importlib.resources import files

from assay_testing import Database

BEFORE = """
insert into credentials.credential
  (tenant, credential, person, competency, state, sequence, followed_sequence, decision, timezone,
   as_of, evidence_digest, did, method, salt, share_id, revocation_list, revocation_index,
   intended_at)
values ('north', gen_random_uuid(), gen_random_uuid(), 'https://example.org/c', 'intended', 1, 1,
  gen_random_uuid(), 'UTC', now(), '', 'did:key:z', 'did:key:z#z', '', $1, gen_random_uuid(), 7,
  now())
"""


async def test_links_of_before_go_on_working(postgres: Database) -> None:
    folder = files("assay_credentials").joinpath("sql", "migrations")
    texts = {
        one.name[:4]: one.read_text(encoding="utf-8")
        for one in folder.iterdir()
        if one.name.endswith(".sql")
    }
    owner = await postgres.connect()
    try:
        await owner.execute("drop schema credentials cascade")
        for number in sorted(texts):
            if number == "0008":
                await owner.execute(BEFORE, "one")
            if number == "0011":
                # Issued by the old code, while the new one is put in place.
                await owner.execute(BEFORE.replace("example.org/c", "example.org/d"), "two")
            await owner.execute(texts[number])
        rows = await owner.fetch(
            "select s.share_id, s.expires_at, s.purpose from credentials.share_link as s"
            " join credentials.credential as c using (tenant, credential) order by 1"
        )
    finally:
        await owner.close()
    assert [tuple(row) for row in rows] == [("one", None, "holder"), ("two", None, "holder")]
