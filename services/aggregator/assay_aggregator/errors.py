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


class Contradiction(AggregatorError):
    """A change that contradicts a record that stands."""


class RuleConflict(AggregatorError):
    """The same rule id and version, or the same competency, with something else in it."""


class Forbidden(AggregatorError):
    """A person may not do this: it needs another role, or somebody else."""


class SignatureRefused(AggregatorError):
    """Who wanted to sign is not who they say, or may not sign now.

    The caller's transaction is given up; `Api` then counts the failure in one of its own.
    """

    def __init__(self, text: str, *, tenant: str, account: str, is_wrong_password: bool) -> None:
        super().__init__(text)
        self.tenant = tenant
        self.account = account
        self.is_wrong_password = is_wrong_password
