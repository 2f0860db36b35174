"""The demo's rules, brought into force as anybody's: drafted, previewed, approved by another.

The people are invented, and their passwords stand in `demo-accounts.json` (mode 600) for trying
things out.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import uuid4

import orjson

from assay_aggregator import accounts
from assay_aggregator.accounts import NewAccount
from assay_aggregator.admin import Records
from assay_aggregator.lifecycle.drafts import Lifecycle, as_in_force
from assay_aggregator.lifecycle.preview import keep, previewed
from assay_aggregator.lifecycle.store import LifecycleStore
from assay_aggregator.rule import parse_rule, rule_hash
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.signing import SignatureBody
from assay_cli.secret_files import write_private
from assay_cli.stack import StackInfo
from assay_credentials import records as credentials
from assay_runtime.auth_keys import new_secret

AUTHOR: Final = "rowan.ashby"
APPROVER: Final = "imogen.hale"
DEMO_ACCOUNTS: Final = (
    NewAccount(AUTHOR, "Rowan Ashby", ["rule_author"]),
    NewAccount(APPROVER, "Imogen Hale", ["rule_approver", "override", "reviewer"]),
    NewAccount("tomas.reid", "Tomas Reid", ["override", "reviewer"]),
)

Passwords = Mapping[str, str]


def ensure_accounts(stack: StackInfo) -> Passwords:
    """The passwords by account; those of an earlier run are kept."""
    file = stack.data / "demo-accounts.json"
    held: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    passwords = {one.account: held.get(one.account) or new_secret() for one in DEMO_ACCOUNTS}
    write_private(file, json.dumps(passwords, indent=2) + "\n")
    return passwords


async def put_accounts(records: Records, passwords: Passwords) -> None:
    """The accounts, with just these passwords."""
    known = {
        row["account"] for row in await accounts.listed(records.store.connection, records.tenant)
    }
    for new in DEMO_ACCOUNTS:
        if new.account not in known:
            await accounts.add(records, new, passwords[new.account], temporary=False)
        else:
            await accounts.set_password(records, new.account, passwords[new.account])


# What the same people sign in the credentials service.
_CREDENTIAL_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    AUTHOR: ("award", "template_author"),
    APPROVER: ("award", "template_approver"),
    "tomas.reid": ("award",),
}


async def put_credential_accounts(records: credentials.Records, passwords: Passwords) -> None:
    """The same people and passwords where credentials are signed for."""
    accounts = credentials.ACCOUNTS
    known = {row["account"] for row in await accounts.listed(records.connection, records.tenant)}
    for one in DEMO_ACCOUNTS:
        new = NewAccount(one.account, one.name, _CREDENTIAL_ROLES[one.account])
        if new.account not in known:
            await accounts.add(records, new, passwords[new.account], temporary=False)
        else:
            await accounts.set_password(records, new.account, passwords[new.account])


async def approve_rules(
    records: Records, documents: Iterable[Mapping[str, Any]], passwords: Passwords
) -> None:
    """Take each rule that is not in force yet through its life, in the caller's transaction."""
    store, shelf = records.store, RuleShelf()
    life, tables = Lifecycle(records), LifecycleStore(store.connection)
    for document in documents:
        content = as_in_force(document)
        rule = parse_rule(content)
        key = life.key(rule.id, rule.version)
        held = await tables.find_version(key)
        if held is not None and rule_hash(orjson.loads(held["document"])) == rule.hash:
            continue
        await life.draft(document, _signature(AUTHOR, "authorship", passwords))
        await life.submit(key)
        preview = uuid4()
        async for found in previewed(store, shelf, records.tenant, rule):
            await keep(store, preview, records.actor, found)
        await life.approve(key, rule.hash, preview, _signature(APPROVER, "approval", passwords))


def _signature(account: str, meaning: str, passwords: Passwords) -> SignatureBody:
    return SignatureBody(account=account, password=passwords[account], meaning=meaning)
