"""Accounts of people who sign in the aggregator (see `assay_runtime.accounts`)."""

from typing import Final

from assay_aggregator.signing import SIGNING
from assay_runtime.accounts import NAME_CHARACTERS_MAX as NAME_CHARACTERS_MAX
from assay_runtime.accounts import Accounts
from assay_runtime.accounts import NewAccount as NewAccount
from assay_runtime.accounts import check_password as check_password

ACCOUNTS: Final = Accounts(SIGNING)
add = ACCOUNTS.add
disable = ACCOUNTS.disable
reset_password = ACCOUNTS.reset_password
set_password = ACCOUNTS.set_password
change_password = ACCOUNTS.change_password
listed = ACCOUNTS.listed
