"""Law 2 and law 5 for credentials: one for each award, and none that its ground has left."""

from assay_cli.check_report import Report
from assay_cli.check_source import Database

TABLE = "credentials.credential"


async def has_credentials(database: Database) -> bool:
    """Whether there is a credentials service."""
    return bool((await database.row("table_exists", TABLE))["there"])


async def check_credentials(report: Report, database: Database) -> None:
    """Compare credentials with the standing decisions, where there is a credentials service.

    What is on its way (outbox, log, signing) gets a moment to arrive; what stays is wrong.
    """
    doubled, travels = report.laws[2], report.laws[5]
    if not await has_credentials(database):
        travels.not_looked_at.append(f"credentials: there is no table {TABLE}")
        return
    for row in await database.rows("count_credentials"):
        travels.count(f"credentials {row['state']}", row["credentials"])
        doubled.count("credentials", row["credentials"])
    doubled.differ("one award, two credentials", await database.places("credentials_doubled"))
    travels.differ(
        "a credential that no decision stands behind",
        await database.places("credentials_without_decision"),
    )
    for query, what in (
        ("awards_differ", "the last decision has not reached the award"),
        ("credentials_without_ground", "a credential is issued on lost ground"),
        ("awards_without_credential", "an award is held, and no credential is issued"),
        ("status_bits_differ", "a status list tells another state"),
        ("endorsement_bits_differ", "a status list tells another state of an endorsement"),
        ("status_lists_unsigned", "a status list is not signed anew"),
    ):
        travels.differ(what, await database.settled(query))
    report.alarms += await database.places("credentials_alarms")
