"""Rosters: what their rows say, and what is wrong with them."""

from datetime import date
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_aggregator.days import Days
from assay_aggregator.organisation.model import Cohort, Organisation
from assay_aggregator.organisation.oneroster import Accounts, read_oneroster, slug_of
from assay_aggregator.organisation.roster import (
    CohortRow,
    Fault,
    Item,
    OrganisationRow,
    Place,
    RosterError,
    Row,
    read_roster,
)
from assay_aggregator.organisation.roster_plan import Linked, Planner, Recorded

TODAY = date(2026, 3, 1)
HEADER = "identifiers,organisation,role,from,to,cohort"


def rows_of(*lines: str, header: str = HEADER) -> list[Item]:
    text = "".join(line + "\n" for line in (header, *lines))
    return list(read_roster(text.splitlines(keepends=True), "r.csv"))


def row(**values: object) -> Row:
    (item,) = rows_of(
        ",".join(
            str(values.get(name, ""))
            for name in ("identifiers", "organisation", "role", "first", "to", "cohort")
        )
    )
    assert isinstance(item, Row)
    return item


def test_a_row_says_who_where_and_when() -> None:
    (item,) = rows_of(
        "mailto:ada@example.org https://lms.example|ada%20l,acme,technician,2026-01-05,,c1"
    )
    assert item == Row(
        Place("r.csv", 2),
        ("mbox:mailto:ada@example.org", "account:https://lms.example ada l"),
        Days(date(2026, 1, 5)),
        "acme",
        "technician",
        "c1",
    )


def test_every_kind_of_identifier() -> None:
    sha1 = "ABCDEF0123456789abcdef0123456789abcdef01"
    item = row(identifiers=f"sha1:{sha1} openid:https://id.example/ada")
    assert item.agents == (f"mbox_sha1sum:{sha1.lower()}", "openid:https://id.example/ada")


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (",acme,,,,", "identifiers", "at least one"),
        ("ada,,,,,", "identifiers", "an identifier is"),
        ("mailto:ada,,,,,", "identifiers", "mailto:name@host"),
        ("sha1:12,,,,,", "identifiers", "40 hexadecimal"),
        ("openid:x,,,,,", "identifiers", "IRI"),
        ("lms|ada,,,,,", "identifiers", "home page"),
        ("https://lms.example|,,,,,", "identifiers", "empty"),
        ("mailto:a@b.c,Acme Ltd,,,,", "organisation", "a-z"),
        ("mailto:a@b.c,,technician,,,", "role", "needs an organisation"),
        ("mailto:a@b.c,acme,Techie,,,", "role", "a-z"),
        ("mailto:a@b.c,acme,,01/02/2026,,", "from", "YYYY-MM-DD"),
        ("mailto:a@b.c,acme,,2026-02-30,,", "from", "YYYY-MM-DD"),
        ("mailto:a@b.c,acme,,2026-02-02,2026-02-01,", "to", "earlier"),
        ("mailto:a@b.c,acme", "", "2 cells, but 6 columns"),
        ("mailto:a@b.c,a\0b,,,,", "organisation", "U+0000"),
    ],
)
def test_a_fault_names_line_column_and_reason(line: str, column: str, reason: str) -> None:
    good, bad, after = rows_of("mailto:a@b.c,,,,,", line, "mailto:d@e.f,,,,,")
    assert isinstance(good, Row)
    assert isinstance(after, Row)
    assert isinstance(bad, Fault)
    assert bad.place == Place("r.csv", 3)
    assert bad.column == column
    assert reason in bad.reason


def test_lines_are_counted_through_quoted_line_ends_and_empty_lines() -> None:
    items = rows_of('"mailto:a@b.c\nmailto:d@e.f",,,,,', "", "nobody,,,,,")
    assert [item.place.line for item in items] == [2, 5]


def test_a_file_that_stops_being_csv_says_where() -> None:
    items = rows_of("mailto:a@b.c,,,,,", 'mailto:d@e.f,"x"y,,,,', "mailto:g@h.i,,,,,")
    assert isinstance(items[0], Row)
    assert isinstance(items[1], Fault)
    assert items[1].place.line == 3
    assert len(items) == 2


@pytest.mark.parametrize("header", ["", "person,role", "identifiers,colour", "identifiers,to,to"])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(RosterError):
        rows_of("x", header=header)


# --- planning


def planner(recorded: Recorded | None = None, *, create: bool = True) -> Planner:
    numbers = count(100)
    held = Recorded() if recorded is None else recorded
    return Planner(held, TODAY, lambda: UUID(int=next(numbers)), create)


def test_a_new_person_gets_links_employment_and_membership() -> None:
    made = planner()
    made.plan(row(identifiers="mailto:a@b.c mailto:d@e.f", organisation="acme", cohort="c1"))
    assert len(made.changes.people) == 1
    assert len(made.changes.links) == 2
    assert [one.organisation for one in made.changes.organisations] == ["acme"]
    assert [one.cohort for one in made.changes.cohorts] == ["c1"]
    assert len(made.changes.employments) == len(made.changes.memberships) == 1
    # The same again, in the same batch, changes nothing.
    made.plan(row(identifiers="mailto:d@e.f", organisation="acme", cohort="c1"))
    assert made.changes.unchanged == 1
    assert len(made.changes.employments) == 1


def test_what_is_only_named_is_a_fault_unless_it_is_to_be_made() -> None:
    made = planner(create=False)
    made.plan(row(identifiers="mailto:a@b.c", organisation="acme"))
    made.plan(row(identifiers="mailto:a@b.c", cohort="c1"))
    assert [fault.column for fault in made.changes.faults] == ["organisation", "cohort"]
    assert made.changes.is_empty()


def test_identifiers_of_two_people_contradict() -> None:
    one, two = UUID(int=1), UUID(int=2)
    always = Days()
    links = {
        "mbox:mailto:a@b.c": [Linked(one, False, always)],
        "mbox:mailto:d@e.f": [Linked(two, False, always)],
    }
    made = planner(Recorded(links=links))
    made.plan(row(identifiers="mailto:a@b.c mailto:d@e.f"))
    assert [fault.column for fault in made.changes.faults] == ["identifiers"]
    assert len(made.changes.contradictions) == 1
    assert not made.changes.links


def test_agents_that_were_only_seen_are_joined_but_not_two_settled_people() -> None:
    one, two = UUID(int=1), UUID(int=2)

    def seen() -> dict[str, list[Linked]]:
        return {
            "mbox:mailto:a@b.c": [Linked(one, True, Days())],
            "mbox:mailto:d@e.f": [Linked(two, True, Days())],
        }

    made = planner(Recorded(links=seen(), settled={two}))
    made.plan(row(identifiers="mailto:a@b.c mailto:d@e.f"))
    assert {person for _, person, _ in made.changes.links} == {two}
    assert not made.changes.people
    both = planner(Recorded(links=seen(), settled={one, two}))
    both.plan(row(identifiers="mailto:a@b.c mailto:d@e.f"))
    assert both.changes.contradictions


def test_an_account_that_was_handed_over_is_who_has_it_on_the_day() -> None:
    one, two = UUID(int=1), UUID(int=2)
    key = "mbox:mailto:desk@b.c"
    links = {
        key: [
            Linked(one, False, Days(None, date(2025, 12, 31))),
            Linked(two, False, Days(date(2026, 1, 1), date(2026, 6, 30))),
        ]
    }
    made = planner(Recorded(links=links))
    made.plan(row(identifiers="mailto:desk@b.c", organisation="acme", first="2026-02-01"))
    made.plan(row(identifiers="mailto:desk@b.c", organisation="acme", first="2025-02-01"))
    assert [values[0] for values in made.changes.employments.values()] == [two, one]
    # On a day that is nobody's a new person gets it, for those days alone.
    made.plan(row(identifiers="mailto:desk@b.c", organisation="acme", first="2026-08-01"))
    ((_, person, days),) = made.changes.links
    assert person not in (one, two)
    assert days == Days(date(2026, 7, 1))


def test_another_last_day_corrects_and_a_withdrawal_takes_back() -> None:
    made = planner()
    made.plan(row(identifiers="mailto:a@b.c", organisation="acme", first="2026-01-01"))
    first = planner(made.recorded)
    first.plan(
        row(identifiers="mailto:a@b.c", organisation="acme", first="2026-01-01", to="2026-02-01")
    )
    (was,) = made.changes.employments
    (now,) = first.changes.employments
    assert first.changes.employments_back == {was: now}
    gone = planner(first.recorded)
    (withdrawn,) = rows_of("mailto:a@b.c,acme,,2026-01-01,2026-02-01,")
    assert isinstance(withdrawn, Row)
    back = Row(withdrawn.place, withdrawn.agents, withdrawn.days, "acme", withdrawn=True)
    gone.plan(back)
    assert gone.changes.employments_back == {now: None}
    assert not gone.changes.employments
    gone.plan(back)
    assert gone.changes.unchanged == 1
    unknown = Row(withdrawn.place, ("mbox:mailto:x@y.z",), organisation="acme", withdrawn=True)
    gone.plan(unknown)
    assert not gone.changes.people


NAMES = st.sampled_from(["a", "b", "c", "d"])
DAYS = st.sampled_from(["", "2026-01-01", "2026-02-01"])


@given(
    st.lists(
        st.tuples(
            st.lists(NAMES, min_size=1, max_size=3, unique=True),
            st.sampled_from(["", "acme", "beta"]),
            DAYS,
            st.sampled_from(["", "c1"]),
        ),
        max_size=8,
    )
)
def test_a_file_twice_is_a_file_once(lines: list[tuple[list[str], str, str, str]]) -> None:
    rows = [
        row(
            identifiers=" ".join(f"mailto:{name}@b.c" for name in names),
            organisation=organisation,
            first=begin,
            cohort=cohort,
        )
        for names, organisation, begin, cohort in lines
    ]
    first = planner()
    for one in rows:
        first.plan(one)
    again = planner(first.recorded)
    for one in rows:
        again.plan(one)
    again.changes.contradictions.clear()
    assert again.changes.is_empty()
    assert len(again.changes.faults) == len(first.changes.faults)


# --- OneRoster 1.2

MANIFEST = {
    "manifest.version": "1.0",
    "oneroster.version": "1.2",
    "file.academicSessions": "bulk",
    "file.classes": "bulk",
    "file.courses": "bulk",
    "file.demographics": "absent",
    "file.enrollments": "delta",
    "file.orgs": "bulk",
    "file.roles": "bulk",
    "file.users": "bulk",
}
FOLDER = {
    "orgs.csv": (
        "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n"
        "site-1,,,Cleanroom site,department,,acme\n"
        "acme,,,Acme Therapies,local,,\n"
        "Centre 9,,,Training centre,school,,\n"
        "odd,,,Odd,planet,,\n"
    ),
    "academicSessions.csv": (
        "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\n"
        "t1,,,Autumn,term,2025-09-01,2026-01-01,,2026\n"
        "t2,,,Spring,term,2026-01-01,2026-07-01,,2026\n"
    ),
    "courses.csv": (
        "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId\n"
        "co1,,,,Science manufacturing technician,ST0250,,acme\n"
    ),
    "classes.csv": (
        "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,"
        "location,schoolSourcedId,termSourcedIds\n"
        'k1,,,Intake 2025,,co1,,scheduled,,acme,"t1,t2"\n'
    ),
    "users.csv": (
        "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,"
        "middleName,identifier,email\n"
        "u1,,,true,ada,{LMS:4711},Ada,L,,,ada@example.org\n"
        "u2,,,true,ben,,Ben,M,,,\n"
        "u3,,,true,mum,,Mum,L,,,mum@example.org\n"
        "u4,,,true,,,No,Body,,,not an address\n"
    ),
    "roles.csv": (
        "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,"
        "orgSourcedId,userProfileSourcedId\n"
        "r1,,,u1,primary,student,2025-09-01,2026-07-01,acme,\n"
        "r2,,,u3,primary,guardian,,,acme,\n"
        "r3,,,u9,primary,teacher,,,acme,\n"
        "r4,,,u1,secondary,ext:cleanRoomLead,2026-01-01,2026-01-01,site-1,\n"
    ),
    "enrollments.csv": (
        "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,"
        "primary,beginDate,endDate\n"
        "e1,active,2025-09-01T00:00:00.000Z,k1,acme,u1,student,true,2025-09-01,\n"
        "e2,tobedeleted,2025-10-01T00:00:00.000Z,k1,acme,u2,student,true,,\n"
    ),
}


def folder(**changes: str | None) -> list[Item]:
    manifest = {**MANIFEST, **{name: value for name, value in changes.items() if "." in name}}
    files: dict[str, str] = {
        **FOLDER,
        "manifest.csv": "propertyName,value\n"
        + "".join(f"{name},{value}\n" for name, value in manifest.items()),
    }
    accounts = Accounts("https://id.example.org", "username", {"LMS": "https://lms.example"})
    return list(
        read_oneroster(
            lambda name: iter(files[name].splitlines(keepends=True)) if name in files else None,
            accounts,
        )
    )


def test_oneroster_gives_organisations_cohorts_and_people() -> None:
    items = folder()
    organisations = [item.organisation for item in items if isinstance(item, OrganisationRow)]
    assert organisations == [
        Organisation("acme", "Acme Therapies", "organisation"),
        Organisation("site-1", "Cleanroom site", "site", "acme"),
        Organisation(slug_of("Centre 9"), "Training centre", "centre"),
    ]
    assert [item.cohort for item in items if isinstance(item, CohortRow)] == [
        Cohort("k1", "Intake 2025", "ST0250", date(2025, 9, 1), date(2026, 6, 30))
    ]
    ada = (
        "account:https://id.example.org ada",
        "account:https://lms.example 4711",
        "mbox:mailto:ada@example.org",
    )
    ben = ("account:https://id.example.org ben",)
    rows = [item for item in items if isinstance(item, Row)]
    assert rows == [
        # End dates of OneRoster are exclusive.
        Row(
            Place("roles.csv", 2),
            ada,
            Days(date(2025, 9, 1), date(2026, 6, 30)),
            organisation="acme",
            role="student",
        ),
        Row(Place("enrollments.csv", 2), ada, Days(date(2025, 9, 1)), cohort="k1"),
        Row(Place("enrollments.csv", 3), ben, cohort="k1", withdrawn=True),
    ]
    faults = {(str(item.place), item.column) for item in items if isinstance(item, Fault)}
    assert faults == {
        ("orgs.csv:5", "type"),
        ("users.csv:5", "email"),
        ("roles.csv:4", "userSourcedId"),
        ("roles.csv:5", "endDate"),
    }


@pytest.mark.parametrize(
    "changes",
    [{"oneroster.version": "1.1"}, {"file.users": "some"}, {"file.lineItems": "bulky"}],
)
def test_a_manifest_of_something_else_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(RosterError, match=r"manifest\.csv"):
        folder(**changes)


def test_a_file_that_the_manifest_names_must_be_there() -> None:
    with pytest.raises(RosterError, match="no manifest"):
        list(read_oneroster(lambda _: None, Accounts()))
    files = {"manifest.csv": "propertyName,value\noneroster.version,1.2\nfile.users,bulk\n"}
    with pytest.raises(RosterError, match=r"users\.csv, which is not there"):
        list(
            read_oneroster(
                lambda name: iter(files[name].splitlines(keepends=True)) if name in files else None,
                Accounts(),
            )
        )


def test_organisations_below_themselves_are_faults() -> None:
    files = {
        "manifest.csv": "propertyName,value\noneroster.version,1.2\nfile.orgs,bulk\n",
        "orgs.csv": "sourcedId,name,type,parentSourcedId\na,A,local,b\nb,B,local,a\nc,C,local,\n",
    }
    items = list(
        read_oneroster(
            lambda name: iter(files[name].splitlines(keepends=True)) if name in files else None,
            Accounts(),
        )
    )
    assert [type(item) for item in items] == [Fault, OrganisationRow]
