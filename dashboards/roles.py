"""What visitors may do, where the sign-on tells which groups they are in.

    viewer   looks: pictures, maps, reports, others' verdicts
    reader   decides, tags and notes; takes originals, reports and exports along; sees identifiers (all of it is logged)
    lead     starts and stops jobs; renames, decides anew and deletes runs; hands out readings

Each may do what those above may. Without roles in the dashboard's options everybody is a lead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oddpixel.errors import UsageError

VIEWER, READER, LEAD = ROLES = ("viewer", "reader", "lead")


@dataclass(frozen=True)
class Visitor:
    """Who looks, as the sign-on vouches for."""

    author: str
    role: str


def allows(role: str, needed: str) -> bool:
    """Whether a role may do what needs another one; an unknown role may only look."""
    return (ROLES.index(role) if role in ROLES else 0) >= ROLES.index(needed)


def refusal(role: str, needed: str) -> str | None:
    """Why a role may not do what needs another one; None where it may."""
    if allows(role, needed):
        return None
    return f"this needs the role of a {needed}, and yours is {role}; ask whoever runs this dashboard"


def check(role: str, needed: str) -> None:
    """Raises: UsageError where the role may not do what needs another one."""
    if (because := refusal(role, needed)) is not None:
        raise UsageError(because)


def role_of(groups: object, roles: Mapping[str, str]) -> str:
    """The highest role of a visitor's groups; viewer without any of them, lead where there are no roles.

    Arguments:
        groups: the claim of an ID token, which may hold anything.
        roles: roles by group.
    """
    if not roles:
        return LEAD
    names = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    held = [roles[name] for name in names if isinstance(name, str) and name in roles]
    return max(held, key=ROLES.index, default=VIEWER)


def parsed(given: Sequence[str]) -> dict[str, str]:
    """Roles by group, of options `GROUP=ROLE`. Raises: UsageError."""
    found = {}
    for option in given:
        group, _, role = option.rpartition("=")
        if not group or role not in ROLES:
            raise UsageError(f"--oidc-role {option}: give GROUP=ROLE, with one of the roles {', '.join(ROLES)}")
        found[group] = role
    return found
