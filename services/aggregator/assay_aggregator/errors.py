"""The errors of the aggregator, one family."""


class AggregatorError(Exception):
    """Something that the aggregator refuses; the text names the field and the rule."""


class RecordUnreadable(AggregatorError):
    """A record of the statements topic is not what a writer of ours makes."""


class NoSuchStep(AggregatorError):
    """A decision took a step that the table of events does not hold."""


class Refused(AggregatorError):
    """A change of records that is not allowed as it was asked for."""


class Unknown(AggregatorError):
    """What was asked for, or spoken of, is not there."""


class RuleConflict(AggregatorError):
    """The same rule id and version, or the same competency, with something else in it."""
