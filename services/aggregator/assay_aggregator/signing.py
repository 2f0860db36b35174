"""Signatures in the aggregator: its roles (see `assay_runtime.signing`)."""

from collections.abc import Mapping
from typing import Final

from assay_runtime.signing import PASSWORD_CHARACTERS_MAX as PASSWORD_CHARACTERS_MAX
from assay_runtime.signing import Lockout as Lockout
from assay_runtime.signing import Signature as Signature
from assay_runtime.signing import SignatureBody as SignatureBody
from assay_runtime.signing import Signing

# What an account may do with its signature. One person may hold several.
ROLES: Final[Mapping[str, str]] = {
    "rule_author": "writes competency rules and puts them up for review",
    "rule_approver": "approves and retires competency rules of others",
    "override": "awards by hand, together with a second person",
    "reviewer": "closes reviews of decisions",
}

SIGNING: Final = Signing("aggregator", ROLES)
QUERIES: Final = SIGNING.queries
sign = SIGNING.sign
authenticate = SIGNING.authenticate
count_refusal = SIGNING.count_refusal
signatures = SIGNING.signatures
