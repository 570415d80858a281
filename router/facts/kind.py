"""What all facts have in common, and what can be left to do."""

from typing import Literal

from msgspec import Struct

Todo = Literal[
    "match",
    "match_operator",
    "requeue",
    "revoke",
    "reroute",
    "sweep",
    "gone",
    "logout",
    "join",
    "merge",
    "unstaffed",
    "warn",
    "calls",
    "bounced",
    "wake",
]
"""What can be left to do: see ``router.todo``."""


class Fact(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="f"):
    """Root of all facts; the tag ``f`` names the kind on the wire."""
