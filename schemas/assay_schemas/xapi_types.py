"""The formats of single values in xAPI: patterns, and the two that need more than a pattern.

The patterns are read by Rust's regex engine inside pydantic, by `re`, and by any engine of ECMA-262
in Unicode mode that reads our JSON Schemas, so they use nothing but what all share. Validation of
IRIs, language tags and media types is "best effort" in the words of xAPI 1.0.3 Data 2.2, and here
means: the generic syntax of the RFC, not the registries behind it.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

VOIDED_VERB = "http://adlnet.gov/expapi/verbs/voided"
SIGNATURE_USAGE_TYPE = "http://adlnet.gov/expapi/attachments/signature"
SIGNATURE_CONTENT_TYPE = "application/octet-stream"

# Enough for 40 digits of a second; a longer text is not read at all.
MAX_TIMESTAMP_CHARACTERS = 64

UUID_PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

# RFC 3987: a scheme, then at least one character; no space, none of the delimiters that it
# excludes, and "%" only before two hexadecimal digits.
IRI_PATTERN = (
    r"^[A-Za-z][A-Za-z0-9+.\-]*:"
    r'(?:[^\x00-\x20\x7f-\x9f\s%<>"{}|\\^`]|%[0-9A-Fa-f]{2})+$'
)

# xAPI 1.0.3 Data 2.4.2.3: "mailto:email address", one address and nothing after it.
MAILTO_PATTERN = r"^mailto:[^\x00-\x20\x7f\s@<>]+@[^\x00-\x20\x7f\s@<>]+$"

SHA1_PATTERN = r"^[0-9a-fA-F]{40}$"

# SHA-224, 256, 384 and 512 in hexadecimal (xAPI 1.0.3 Data 2.4.11: "the SHA-2 hash").
SHA2_PATTERN = r"^(?:[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})$"

# RFC 5646 2.1, "irregular": grandfathered tags that do not fit the grammar.
_IRREGULAR_TAGS = (
    *("en-gb-oed", "sgn-be-fr", "sgn-be-nl", "sgn-ch-de", "i-ami", "i-bnn", "i-default"),
    *("i-enochian", "i-hak", "i-klingon", "i-lux", "i-mingo", "i-navajo", "i-pwn", "i-tao"),
    *("i-tay", "i-tsu"),
)


def _in_any_case(tag: str) -> str:
    """A pattern of `tag`, without the inline flag that ECMA-262 does not have."""
    return "".join(f"[{one.upper()}{one}]" if one.isalpha() else one for one in tag)


# RFC 5646 2.1: language, script, region, variants, extensions, private use; in any case (2.1.1).
LANGUAGE_TAG_PATTERN = (
    r"^(?:"
    r"(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})"
    r"(?:-[A-Za-z]{4})?"
    r"(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
    r"(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*"
    r"(?:-[Xx](?:-[A-Za-z0-9]{1,8})+)?"
    r"|[Xx](?:-[A-Za-z0-9]{1,8})+"
    rf"|{'|'.join(map(_in_any_case, _IRREGULAR_TAGS))}"
    r")$"
)

# RFC 2045 5.1: type "/" subtype, then parameters.
MEDIA_TYPE_PATTERN = (
    r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+/[A-Za-z0-9!#$%&'*+.^_`|~-]+"
    r"(?:[ \t]*;[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+=(?:[A-Za-z0-9!#$%&'*+.^_`|~-]+|"
    r'"(?:[^"\\\x00-\x1f]|\\.)*"))*[ \t]*;?$'
)

# ISO 8601:2004 4.4.3.2: weeks alone, or years to seconds with at least one of them and, after "T",
# at least one. Only the last of them may have a fraction.
_FRACTION = r"[0-9]+[.,][0-9]+"
DURATION_PATTERN = (
    r"^P(?:[0-9]+W|" + _FRACTION + r"W"
    r"|(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?"
    r"T(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+|" + _FRACTION + r")S"
    r"|(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?T(?:[0-9]+H)?(?:[0-9]+|" + _FRACTION + r")M"
    r"|(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?T(?:[0-9]+|" + _FRACTION + r")H"
    r"|(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+|" + _FRACTION + r")D"
    r"|(?:[0-9]+Y)?(?:[0-9]+|" + _FRACTION + r")M"
    r"|(?:[0-9]+|" + _FRACTION + r")Y"
    r")$"
)

# xAPI 1.0.3 Data 2.4.10 accepts every version that starts with "1.0."; "1.0" is accepted as such.
VERSION_1_PATTERN = r"^1\.0(?:\.[0-9A-Za-z.+-]*)?$"
VERSION_2_PATTERN = r"^[12]\.0(?:\.[0-9A-Za-z.+-]*)?$"

# ISO 8601 calendar date and time, extended or basic; RFC 3339 also allows small letters and a
# space. "-00:00" says in RFC 3339 that the offset is not known, which ISO 8601 forbids.
TIMESTAMP_PATTERN = (
    r"^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::([0-9]{2})(?:[.,][0-9]+)?)?"
    r"|[0-9]{8}[Tt][0-9]{4}(?:([0-9]{2})(?:[.,][0-9]+)?)?)"
    r"(?:[Zz]|(?!-00(?::?00)?$)[+-][0-9]{2}(?::?[0-9]{2})?)?$"
)
_TIMESTAMP = re.compile(TIMESTAMP_PATTERN)


# The same text is read when it is checked, when it is compared and when it is indexed.
@lru_cache(maxsize=1_024)
def parse_timestamp(text: str) -> datetime:
    """The instant that `text` names, in UTC, to the microsecond (further digits are cut off).

    Source: xAPI 1.0.3 Data 4.5, IEEE 9274.1.1 4.2.7. A timestamp without offset is taken as UTC. A
    leap second is the first moment of the next minute, as `datetime` has no name for it.
    Raises ValueError when it is not an ISO 8601 date and time, has the offset -00:00, has more than
    MAX_TIMESTAMP_CHARACTERS, or lies outside the years 1 to 9999.
    """
    match = _TIMESTAMP.fullmatch(text) if len(text) <= MAX_TIMESTAMP_CHARACTERS else None
    if match is None:
        raise ValueError("not an ISO 8601 date and time")
    leap = timedelta(0)
    if match.group(1) == "60":
        text, leap = f"{text[:17]}59{text[19:]}", timedelta(seconds=1)
    elif match.group(2) == "60":
        text, leap = f"{text[:13]}59{text[15:]}", timedelta(seconds=1)
    moment = datetime.fromisoformat(text.upper())
    offset = moment.tzinfo
    if offset is UTC and not leap:
        return moment
    try:
        moment = moment.replace(tzinfo=UTC) if offset is None else moment.astimezone(UTC)
        return moment + leap
    except OverflowError:
        raise ValueError("outside the years 1 to 9999") from None


# Digits of a second beyond the hundredths, and trailing zeros of what is left.
_SECONDS_FRACTION = re.compile(r"[.,]([0-9]+)S$")


def comparable_duration(text: str) -> str:
    """`text` without the precision beyond 0.01 s, for comparison only.

    Source: xAPI 1.0.3 Data 4.6 ("any precision beyond 0.01 second precision SHOULD NOT be included
    in the comparison") over Data 2.3.1 (else durations are compared as strings: PT60S is not PT1M).
    Zeros at the end of the fraction go too, else sameness would not be transitive: PT1.5S and
    PT1.50S are both the same as PT1.501S.
    """
    match = _SECONDS_FRACTION.search(text)
    if match is None:
        return text
    hundredths = match.group(1)[:2].rstrip("0")
    return f"{text[: match.start()]}{'.' + hundredths if hundredths else ''}S"
