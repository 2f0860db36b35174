"""Every query is understood by the real schema, by the role that runs it, and uses its indexes."""

import asyncpg
import pytest

from assay_runtime.sql import load_queries
from assay_testing import Database

QUERIES = load_queries("assay_ingest")
WHOLE = [name for name in QUERIES.names() if not name.startswith("search_")]
ROLES = {
    "assay_ingest": {
        "find_source",
        "find_keys",
        "find_statement",
        "find_definitions",
        "find_voids",
        "find_signing_keys",
        "announce_contents",
        "read_applied",
        "add_audit",
        "add_usage",
        "list_agent_names",
        "find_document",
        "list_documents",
        "is_place_full",
        "create_document",
        "put_document",
        "merge_document",
        "replace_document",
        "merge_into_document",
        "delete_document",
        "clear_documents",
    },
    "assay_store": {
        "count_quarantine",
        "begin_batch",
        "claim_keys",
        "find_holders",
        "insert_statements",
        "insert_agents",
        "delete_statements",
        "delete_agents",
        "keep_conflicts",
        "forget_conflicts",
        "insert_voids",
        "delete_voids",
        "judge_voids",
        "insert_related",
        "delete_related",
        "insert_attachments",
        "delete_attachments",
        "insert_refs",
        "delete_refs",
        "find_referrers",
        "find_chains",
        "find_raws",
        "delete_via",
        "insert_via",
        "lock_activities",
        "put_definitions",
        "trim_definitions",
        "stated_definitions",
        "put_activities",
        "put_names",
        "trim_names",
    },
    "assay_mover": {
        "find_source",
        "find_keys",
        "insert_rejected",
        "find_refusals_at",
        "list_refusals_to_resend",
        "lock_refusal",
        "mark_resent",
    },
    "assay_forward": {
        "list_forward_targets",
        "find_oldest_target",
        "begin_forward",
        "forget_forward",
        "enqueue_forward",
        "find_due_targets",
        "lease_target",
        "renew_lease",
        "end_lease",
        "list_forward_waiting",
        "settle_forward",
        "free_target",
        "fail_target",
        "count_failures",
        "count_forward",
    },
    "assay_owner": {
        "unindexed_statements",
        "collectable_since",
        "list_orphans",
        "lock_orphan",
        "forget_content",
        "put_signing_key",
        "list_signing_keys",
        "revoke_signing_key",
        "set_authorities",
        "put_tenant",
        "put_source",
        "put_client",
        "add_audit",
        "list_audit",
        "list_usage",
        "has_tenant",
        "list_rejected",
        "show_rejected",
        "put_forward_target",
        "delete_forward_target",
        "show_forward_targets",
        "list_forward_dead",
        "retry_forward_dead",
    },
}


def test_every_query_is_given_to_a_role() -> None:
    assert set().union(*ROLES.values()) == set(WHOLE)


async def test_every_query_can_be_prepared_by_a_role_that_runs_it(postgres: Database) -> None:
    for role, names in ROLES.items():
        connection = await postgres.connect(role)
        try:
            for name in sorted(names):
                # Access rights are checked when a query is planned, not when it is prepared.
                query = QUERIES[name]
                await connection.prepare(query)
                await connection.execute(f"explain (generic_plan) {query}")
        finally:
            await connection.close()


async def test_no_role_may_change_what_is_not_its_own(postgres: Database) -> None:
    for role in ("assay_ingest", "assay_mover"):
        connection = await postgres.connect(role)
        try:
            for table in ("statement", "statement_key", "void", "conflict", "api_client", "source"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"delete from ingest.{table}")  # noqa: S608 - above
        finally:
            await connection.close()
