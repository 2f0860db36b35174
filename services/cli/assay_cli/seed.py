"""`assay seed`: the demo tenant, its sources, keys, input topics and rules. Repeatable.

1. random keys in `demo-keys.json` and passwords of the people who sign in `demo-accounts.json`
   (mode 600), those of an earlier run kept (`ensure_keys`, `ensure_accounts`);
2. in one transaction, as the owner role: tenant and sources, the keys' hashes in each service
   that must know them, the framework and its roles, rules of its competencies, and what their
   credentials say (`load_tenant`);
3. for each source that writes to Kafka: its principal, and the topic that only it may write
   (`ensure_input_topics`).
"""

import asyncio
import json
import sys
from collections.abc import Mapping

import asyncpg

from assay_aggregator.admin import Act, Records
from assay_aggregator.frameworks.importing import check, import_packages
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Store
from assay_cli.demo_catalogue import (
    Catalogue,
    RuleDocument,
    catalogue,
    framework,
    rule_documents,
)
from assay_cli.demo_framework import TITLE, framework_package, roles_package
from assay_cli.demo_scenarios import Need, plan_of
from assay_cli.errors import StackError
from assay_cli.processes import ADMIN_PRINCIPAL, OWNER_ROLE
from assay_cli.secret_files import ensure_password, write_private
from assay_cli.seed_rules import (
    Passwords,
    approve_rules,
    ensure_accounts,
    put_accounts,
    put_credential_accounts,
)
from assay_cli.stack import StackInfo
from assay_credentials import records as credentials
from assay_credentials.admin import put_achievement, put_issuer
from assay_ingest.admin import put_source, put_tenant
from assay_runtime.auth import hash_secret, new_secret
from assay_runtime.broker import Broker, BrokerError
from assay_runtime.sql import load_queries
from assay_schemas.topics import input_topic

CONNECT_SECONDS = 10.0
ISSUER = "Assay demo training network"

_SEEN = {
    "online": "in an online course",
    "vr": "in virtual reality",
    "in_person": "observed in person by an authorised assessor",
    "workplace": "at work",
}

Keys = Mapping[str, Mapping[str, str]]


def run(stack: StackInfo) -> int:
    """Load the demo tenant into a running stack; the exit code of `assay seed`."""
    data = catalogue()
    try:
        keys = ensure_keys(stack, data)
        asyncio.run(_load(stack, data, keys, ensure_accounts(stack)))
        ensure_input_topics(stack, data)
    except (StackError, BrokerError) as error:
        print(f"assay seed: {error}", file=sys.stderr)
        return 1
    print(f"tenant {data.tenant}: {len(data.sources)} sources, {len(rule_documents())} rules")
    return 0


def ensure_keys(stack: StackInfo, data: Catalogue) -> Keys:
    """The demo keys, each {"user", "password"}; a key that is not in the file yet is made."""
    held = stack.keys()
    keys = {
        plan.key: held.get(plan.key) or {"user": plan.user, "password": new_secret()}
        for plan in data.clients
    }
    # Written also when nothing is new: the file's mode may have been changed meanwhile.
    write_private(stack.keys_file, json.dumps(keys, indent=2) + "\n")
    return keys


async def _load(stack: StackInfo, data: Catalogue, keys: Keys, passwords: Passwords) -> None:
    try:
        connection = await asyncpg.connect(
            stack.dsn_with_password(OWNER_ROLE), timeout=CONNECT_SECONDS
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"Postgres does not let us in ({error}): run `make run` first") from error
    try:
        async with connection.transaction():
            await load_tenant(connection, data, rule_documents(), keys, passwords)
    except asyncpg.UndefinedTableError as error:
        raise StackError(f"{error}: run `assay migrate` first") from error
    finally:
        await connection.close()


async def load_tenant(
    connection: asyncpg.Connection,
    data: Catalogue,
    rules: Mapping[str, RuleDocument],
    keys: Keys,
    passwords: Passwords,
) -> None:
    """Tenant, sources, clients and rules, inside the caller's transaction as the owner role."""
    await put_tenant(connection, data.tenant)
    for source in data.sources:
        await put_source(
            connection,
            data.tenant,
            source.id,
            modality=source.modality,
            vouches_for_assessors=source.vouches_for_assessors,
            learner_controlled=source.learner_controlled,
        )
    for plan in data.clients:
        # One key, hashed once, in each service that must know it.
        secret_hash = hash_secret(keys[plan.key]["password"])
        for service in plan.services:
            await connection.execute(
                load_queries("assay_cli", schema=service)["put_client"],
                keys[plan.key]["user"],
                data.tenant,
                secret_hash,
                plan.source,
                sorted(plan.scopes),
            )
    await load_frameworks(connection, data.tenant)
    act = Act("seed", "the demo's own rules")
    records = await Records.begin(Store(connection), RuleShelf(), data.tenant, act)
    await put_accounts(records, passwords)
    signing = credentials.Act(act.actor, act.reason)
    await put_credential_accounts(
        await credentials.Records.begin(connection, data.tenant, signing), passwords
    )
    await approve_rules(records, rules.values(), passwords)
    await put_issuer(connection, data.tenant, ISSUER)
    statements = {one.code: one for one in framework()}
    for code, document in rules.items():
        competency = statements[code]
        await put_achievement(
            connection,
            data.tenant,
            competency.iri,
            name=competency.statement,
            description=f"{competency.statement}.",
            criteria=criteria(document, data),
            code=code,
            framework=TITLE,
        )


async def load_frameworks(connection: asyncpg.Connection, tenant: str) -> None:
    """The framework and the roles, by the same import as anybody's, in the caller's transaction."""
    act = Act("seed", "the demo's own framework and roles")
    checked = [check(one, strict=True) for one in (framework_package(), roles_package())]
    await import_packages(connection, tenant, checked, act)


def criteria(document: RuleDocument, data: Catalogue) -> str:
    """What a rule of the demo asks for, in one sentence for whoever reads the credential."""

    def asked(need: Need) -> str:
        times = "once" if need.count == 1 else f"{need.count} times"
        score = "" if need.pass_mark is None else f" with at least {need.pass_mark} %"
        done = "completed" if need.completes else "passed"
        return f"{data.activities[need.path]}, {done} {times} {_SEEN[need.modality]}{score}"

    return "; ".join(asked(need) for need in plan_of(document).needs) + "."


def ensure_input_topics(stack: StackInfo, data: Catalogue) -> None:
    """The input topics and their writers, with passwords in the stack's secrets folder."""
    broker = Broker.from_password_file(
        stack.kafka_bootstrap, ADMIN_PRINCIPAL, stack.kafka_password_file(ADMIN_PRINCIPAL)
    )
    for source in data.sources:
        if source.input_topic:
            (writer,) = input_topic(data.tenant, source.id).writers
            password = ensure_password(stack.secrets, "kafka", writer)
            broker.ensure_input_topic(data.tenant, source.id, password)
