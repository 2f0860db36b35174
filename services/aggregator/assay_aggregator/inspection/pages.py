"""The pages of a pack that people read: one for each person, one for the rules, and the first."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay_aggregator.inspection.person import (
    PersonRecord,
    changed_since_original,
    evidence_rows,
    history_rows,
    void_rows,
)
from assay_aggregator.inspection.printing import (
    FOOT,
    Html,
    bullets,
    element,
    facts,
    head,
    link,
    page,
    table,
)
from assay_aggregator.inspection.question import Settled
from assay_aggregator.inspection.store import Json
from assay_aggregator.inspection.words import (
    CHANGED,
    CONTENTS,
    FURTHER,
    NO_ENTRY,
    REASONS,
    SIGNS,
    STANDS,
    STATUSES,
    UNCHANGED,
)


def person_page(record: PersonRecord, asked: Settled) -> bytes:
    """One person: who that is, every decision and why, and whether anything changed since."""
    flags = changed_since_original(record)
    history: dict[str, list[Json]] = {}
    for row in history_rows(record):
        history.setdefault(row["competency"], []).append(row)
    return page(
        f"Person {record.person}",
        _asked(asked),
        _identity(record),
        *(
            _decision(
                document,
                asked.name(document["competency"]),
                history.get(document["competency"], []),
                flags.get(document["competency"]),
            )
            for document in record.decisions
        ),
        _evidence(record),
        _people_decided(record),
    )


def rules_page(rules: Sequence[Json], asked: Settled) -> bytes:
    """Every rule version of the pack: content hash, when it was recorded, who approved it."""
    parts = [_asked(asked)]
    for rule in rules:
        parts += [
            element("h2", f"{rule['rule']} version {rule['version']}"),
            facts(
                [
                    ("Competency", asked.name(rule["competency"])),
                    ("Status", rule["status"]),
                    ("Effective", _days(rule["effective_from"], rule["effective_to"])),
                    ("Recorded", rule["recorded"]),
                    ("Content hash", element("code", rule["hash"])),
                    ("File", link(rule_file(rule), rule_file(rule))),
                ]
            ),
            element("h3", "Authors"),
            _signatures(rule, rule["drafts"]),
            element("h3", "Approvals"),
            _signatures(rule, rule["approvals"]),
        ]
    return page("Rules and their approvals", *parts)


def _signatures(rule: Json, rows: Sequence[Json]) -> Html:
    """Who signed which content; a signature of another content says nothing about this one."""
    return table(
        ["Name", "Account", "Meaning", "Signed at", "Of this content"],
        [
            (
                *_signed(one["signature"]),
                one["signature"] is not None
                and one["content_hash"] == rule["hash"] == one["signature"]["content_hash"],
            )
            for one in rows
        ],
    )


def index_head(asked: Settled, counts: Mapping[str, int], versions: Mapping[str, str]) -> bytes:
    """The first page up to the list of people."""
    files = [(element("code", name), about) for name, about in CONTENTS.items()]
    parts = [
        _asked(asked),
        facts([("Engine", versions["engine"]), ("Product", versions["product"])]),
        element("h2", "What is in this pack"),
        facts(counts.items()),
        table(["File", "What it is"], files),
        element("h2", "People"),
    ]
    return head("Inspection pack") + "\n".join(parts).encode() + b"\n<ul>\n"


def index_line(record: PersonRecord) -> bytes:
    """One person on the first page."""
    counts: dict[str, int] = {}
    for document in record.decisions:
        status = document["status"]
        counts[status] = counts.get(status, 0) + 1
    told = ", ".join(
        f"{SIGNS.get(status, '')} {number} {STATUSES.get(status, status)}".strip()
        for status, number in sorted(counts.items())
    )
    flagged = any(changed_since_original(record).values())
    line = element(
        "li",
        link(person_file(record), str(record.person)),
        f": {told or 'nothing decided'} ",
        element("span", CHANGED, class_="flag") if flagged else "",
    )
    return line.encode() + b"\n"


def index_foot() -> bytes:
    return b"</ul>\n" + FOOT


def person_file(record: PersonRecord) -> str:
    return f"people/{record.person}.html"


def rule_file(rule: Mapping[str, Any]) -> str:
    return f"rules/{rule['rule']}.v{rule['version']}.json"


def _asked(asked: Settled) -> Html:
    question = asked.document()
    capped = " (no later time can be answered for ever yet)" if asked.known_at_capped else ""
    return facts(
        [
            ("Tenant", question["tenant"]),
            ("As of", question["as_of"]),
            ("As known at", question["known_at"] + capped),
            ("Role", question["role"] or "any"),
            ("Organisation", question["organisation"] or "any"),
        ]
    )


def _identity(record: PersonRecord) -> Html:
    links = [
        (
            one["agent_key"],
            "when first seen" if one["automatic"] else one["recorded"],
            _days(one["from"], one["to"]),
            one["retracted"],
        )
        for one in record.links
    ]
    jobs = [
        (one["organisation"], one["role"], _days(one["from"], one["to"]), one["recorded"],
         one["retracted"])
        for one in record.employments
    ]  # fmt: skip
    return Html(
        element("h2", "Identifiers")
        + table(["Identifier", "Recorded", "Days", "Taken back"], links)
        + element("h2", "Employment")
        + table(["Organisation", "Role", "Days", "Recorded", "Taken back"], jobs)
    )


def _decision(
    document: Mapping[str, Any], name: str, history: Sequence[Json], changed: bool | None
) -> Html:
    status, rule = document["status"], document["rule"]
    flag = NO_ENTRY if changed is None else CHANGED if changed else UNCHANGED
    missing = [one["text"] for one in document.get("missing", ())]
    parts = [
        element("h2", name),
        facts(
            [
                ("Competency", element("code", document["competency"])),
                ("Status", f"{SIGNS.get(status, '')} {STATUSES.get(status, status)}".strip()),
                ("Level", document.get("level")),
                ("Achieved on", document["achieved_on"]),
                ("Expires on", document["expires_on"]),
                ("Rule", "none" if rule is None else f"{rule['id']} version {rule['version']}"),
                ("Rule's hash", element("code", "" if rule is None else rule["hash"])),
                ("Engine", document["engine"]),
                ("Missing", missing),
                ("Record", element("span", flag, class_="flag" if changed else "same")),
            ]
        ),
        element("h3", "Why"),
    ]
    if "explanation" in document:
        parts.append(bullets([_tree(document["explanation"])]))
    else:
        parts.append(element("p", "No rule decides on this day."))
    parts += list(_further(document))
    parts += [element("h3", "Decisions on record"), _history(history)]
    return Html("\n".join(parts))


def _further(document: Mapping[str, Any]) -> Iterator[Html]:
    """What only some decisions have: levels, prerequisites, what people said instead."""
    for name, heading in FURTHER.items():
        found = document.get(name)
        rows = [found] if isinstance(found, Mapping) else found
        if rows:
            columns = list(rows[0])
            yield element("h3", heading)
            yield table(
                [column.replace("_", " ") for column in columns],
                [[one.get(column) for column in columns] for one in rows],
            )


def _history(history: Sequence[Json]) -> Html:
    return table(
        ["No.", "As of", "Status", "Level", "Achieved", "Expires", "Rule", "Changed against the "
         "one before", "Of that day, by what is known now"],
        [
            (
                one["ordinal"],
                one["as_of"],
                STATUSES.get(one["status"], one["status"]),
                one["level"],
                one["achieved_on"],
                one["expires_on"],
                None if one["rule_id"] is None else f"{one['rule_id']} v{one['rule_version']}",
                ", ".join(one["changed"]),
                STANDS.get(one["stands"], "made by another engine"),
            )
            for one in history
        ],
    )  # fmt: skip


def _tree(node: Mapping[str, Any]) -> Html:
    """The explanation as nested lists; members that are not known here are printed as they are."""
    mark = "✓" if node.get("satisfied") else "✗"
    if "parts" in node:
        label = {"all": "all of", "any": "any of"}.get(node["op"], f"{node.get('need')} of")
        return Html(
            element("span", f"{mark} {label}") + bullets(_tree(one) for one in node["parts"])
        )
    said = [f"{mark} {node.get('clause') or node.get('competency')}: "]
    if "have" in node:
        said.append(f"has {node['have']}, needs {node['need']}")
    if "status" in node:
        # A competency that a roll-up is made of.
        said.append(STATUSES.get(node["status"], node["status"]))
        said.append(f", {_days(node['achieved_on'], node['expires_on'])}")
    if node.get("value") is not None:
        said.append(f", value {node['value']}")
    lines: list[Any] = [f"used: {', '.join(node['used'])}"] if node.get("used") else []
    excluded = node.get("excluded") or {}
    if isinstance(excluded, Mapping):
        lines += [
            f"{statement} does not count: {REASONS.get(reason, reason)} ({reason})"
            for statement, reason in sorted(excluded.items())
        ]
    if node.get("next_action"):
        lines.append(f"to do: {node['next_action']}")
    return Html(element("span", "".join(said)) + (bullets(lines) if lines else ""))


def _evidence(record: PersonRecord) -> Html:
    rows = [
        (
            element("code", one["statement"]),
            element("code", one["body_sha256"]),
            one["timestamp"],
            one["stored"],
            f"{one['source']} ({one['modality'] or 'no modality'})",
            f"{one['verb'].rpartition('/')[2]} {one['activity'] or ''}",
            one["score"],
            one["assessors"],
            ", ".join(_evidence_flags(one)),
        )
        for one in evidence_rows(record)
        if one["voids"] is None
    ]
    voids = [
        (
            element("code", one["void"]),
            element("code", one["target"]),
            one["stored"],
            one["source"],
            one["took_effect_for"] or "no effect",
            one["reason"] or "none given",
        )
        for one in void_rows(record)
    ]
    return Html(
        element("h2", "Evidence")
        + table(
            ["Statement", "SHA-256 of its body", "Happened", "Stored", "Source", "What", "Score",
             "Assessors", "Changed"],
            rows,
        )
        + element("h2", "Taken back")
        + table(["Void", "Of", "Stored", "Source", "Took effect for", "Reason"], voids)
    )  # fmt: skip


def _evidence_flags(row: Json) -> Iterator[str]:
    if row["voided_by"]:
        yield "TAKEN BACK by " + " ".join(row["voided_by"])
    if not row["first_copy"]:
        yield "ANOTHER COPY came first"


def _people_decided(record: PersonRecord) -> Html:
    """What people decided about this person, not the rules."""
    overrides = [
        (one["competency"], one["level"], _days(one["from"], one["to"]), one["reason"],
         _signed(one["proposed_signature"]), _signed(one["approved_signature"]),
         one["recorded"] or "not in force", one["retracted"])
        for one in record.overrides
    ]  # fmt: skip
    reviews = [
        (one["competency"], one["kind"], one["reason"], one["opened_by"], one["recorded"],
         one["outcome"], one["closed_reason"], one["closed_by"], one["retracted"])
        for one in record.reviews
    ]  # fmt: skip
    conflicts = [
        (one["assessor"], _days(one["from"], one["to"]), one["recorded"], one["retracted"])
        for one in record.conflicts
    ]
    return Html(
        element("h2", "Overrides")
        + table(
            ["Competency", "Level", "Days", "Reason", "First person", "Second person",
             "In force from", "Taken back"],
            overrides,
        )
        + element("h2", "Reviews and contests")
        + table(
            ["Competency", "Kind", "Reason", "Opened by", "Opened", "Outcome", "Why", "Closed by",
             "Closed"],
            reviews,
        )
        + element("h2", "Conflicts of interest")
        + table(["Assessor", "Days", "Recorded", "Taken back"], conflicts)
    )  # fmt: skip


def _signed(signature: Json | None) -> tuple[Any, ...]:
    if signature is None:
        return ("not signed", "", "", "")
    return tuple(signature[name] for name in ("name", "account", "meaning", "signed_at"))


def _days(first: str | None, last: str | None) -> str:
    return f"{first or '…'} to {last or '…'}"
