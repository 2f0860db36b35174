"""Inverse functional identifiers of xAPI agents and groups, as one comparable string each.

Source: xAPI 1.0.3 Data 2.4.2.3, IEEE 9274.1.1 4.2.2 (exactly one identifier names an agent).
"""

from collections.abc import Iterable, Mapping
from typing import Any

IDENTIFIER_PROPERTIES = ("mbox", "mbox_sha1sum", "openid", "account")


def agent_key(agent: Mapping[str, Any]) -> str | None:
    """One string that is equal for two agents exactly when their identifier is equal.

    `agent` is a checked xAPI Agent or Group object. The answer is None for an anonymous group.
    Forms: `mbox:mailto:a@b.c`, `mbox_sha1sum:<40 hex, lower case>`, `openid:<IRI>`,
    `account:<homePage> <name>`; an IRI holds no space, so the first space ends the home page.
    """
    mbox = agent.get("mbox")
    if mbox is not None:
        return f"mbox:{mbox}"
    account = agent.get("account")
    if account is not None:
        return f"account:{account['homePage']} {account['name']}"
    sha1 = agent.get("mbox_sha1sum")
    if sha1 is not None:
        return f"mbox_sha1sum:{sha1.lower()}"
    openid = agent.get("openid")
    if openid is not None:
        return f"openid:{openid}"
    return None


def authority_key(key: str | None, member_keys: Iterable[str]) -> str:
    """One string for an authority: its own key, or that of the two members of an anonymous group.

    Source: xAPI 1.0.3 Data 2.4.9: an authority is an agent, or a group of exactly two members.
    """
    return key if key is not None else "members:" + " ".join(sorted(member_keys))
