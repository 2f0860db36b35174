"""What a service refuses to somebody who changes records: the same words in every service.

The text of each names the field and the rule. What each is over HTTP stands in `STATUS`.
"""

from collections.abc import Mapping
from typing import Final


class Refusal(Exception):
    """Base of what is refused on purpose."""


class Refused(Refusal):
    """A change of records that is not allowed as it was asked for."""


class Unknown(Refusal):
    """What was asked for, or spoken of, is not there."""


class Contradiction(Refusal):
    """A change that contradicts a record that stands."""


class Forbidden(Refusal):
    """A person may not do this: it needs another role, or somebody else."""


class SignatureRefused(Refusal):
    """Who wanted to sign is not who they say, or may not sign now.

    The caller's transaction is given up; the failure is then counted in one of its own.
    """

    def __init__(self, text: str, *, tenant: str, account: str, is_wrong_password: bool) -> None:
        super().__init__(text)
        self.tenant = tenant
        self.account = account
        self.is_wrong_password = is_wrong_password


STATUS: Final[Mapping[type[Refusal], int]] = {
    Refused: 400,
    Unknown: 404,
    Contradiction: 409,
    Forbidden: 403,
    SignatureRefused: 403,
}
