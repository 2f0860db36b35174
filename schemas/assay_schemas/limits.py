"""Limits of what one request may hold, each with its unit in its name and its reason beside it."""

from dataclasses import dataclass

# The parser itself gives up beyond this, whatever the setting says.
PARSER_MAX_JSON_DEPTH = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """What `check_statements` accepts at most. Whatever is one beyond a limit is refused by name.

    Texts, extensions and the number of bytes have no limit of their own here: the size of the body
    bounds them, and the one who reads the body holds that limit.
    """

    # One request becomes one record of the log, and its statements one transaction of a projection.
    max_statements_per_request: int = 10_000
    # A parsed value costs up to 100 bytes whatever its text costs: without this, a body of 8 MiB
    # made of "[[],[],..." takes 300 MB. A statement of 1 kB has about 40 values.
    max_json_values_per_request: int = 1_000_000
    # The same for one statement, whose faults may each take a kilobyte to describe. Telemetry of
    # more values than this belongs into an attachment.
    max_json_values_per_statement: int = 100_000
    # Databases, browsers and other peers recurse; the deepest statement without extensions has 10.
    max_json_depth: int = 64
    # An IRI is a key of indexes, and a btree refuses what does not fit into a third of a page.
    max_iri_characters: int = 2_048
    # With its home page, the name of an account is the key of a person.
    max_account_name_characters: int = 1_024
    # Members, context activities, attachments, components: each is a row of an index somewhere.
    # The list of correct responses is free (xAPI 1.0.3 Data 2.4.4.1 forbids to limit it).
    max_list_items: int = 1_000
    # Score numbers are computed with and stored as numeric: digits before plus after the point.
    max_score_digits: int = 100
    # An answer names so many faults at most; the sender mends those and learns of the next.
    max_errors_per_request: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.max_json_depth <= PARSER_MAX_JSON_DEPTH:
            raise ValueError(f"max_json_depth must be between 1 and {PARSER_MAX_JSON_DEPTH}")
