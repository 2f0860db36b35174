"""The errors of the aggregator, one family: what every service refuses, and its own."""

from collections.abc import Mapping
from typing import Final

from assay_runtime.refusals import STATUS as STATUS_OF_ALL
from assay_runtime.refusals import Contradiction as Contradiction
from assay_runtime.refusals import Forbidden as Forbidden
from assay_runtime.refusals import Refusal
from assay_runtime.refusals import Refused as Refused
from assay_runtime.refusals import SignatureRefused as SignatureRefused
from assay_runtime.refusals import Unknown as Unknown

AggregatorError = Refusal
"""Something that the aggregator refuses; the text names the field and the rule."""


class RecordUnreadable(AggregatorError):
    """A record of the statements topic is not what a writer of ours makes."""


class NoSuchStep(AggregatorError):
    """A decision took a step that the table of events does not hold."""


class RuleConflict(AggregatorError):
    """The same rule id and version, or the same competency, with something else in it."""


STATUS: Final[Mapping[type[Refusal], int]] = {**STATUS_OF_ALL, RuleConflict: 409}
"""What each is over HTTP; the rest is an error of ours."""
