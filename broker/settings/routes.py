"""Settings of the routing rules: whom a conversation needs, and what becomes of that with time."""

from collections.abc import Iterator
from typing import Annotated, Literal

import re2
from msgspec import Meta, Struct, field

from broker.settings.staff import Level, Token
from config import Duration, SettingError

MOST_BOOST = Duration(30 * 60_000)

_QUIET = re2.Options()
_QUIET.log_errors = False


class NeedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator must have; never loosened silently."""

    skills: Annotated[dict[Token, Level], Meta(description="Skill to the least level.")] = field(default_factory=dict)
    languages: Annotated[list[Token], Meta(description="One of these; none: the customer's, where it is known.")] = (
        field(default_factory=list)
    )
    operators: Annotated[list[Token], Meta(description="Only these operators.")] = field(default_factory=list)


class RelaxSettings(NeedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wider requirement, in force from a time on."""

    after: Annotated[Duration, Meta(description="Counted from the first time in the queue.")]


class WhenSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conditions, all of which must hold."""

    channels: Annotated[list[Token], Meta(description="One of these channels.")] = field(default_factory=list)
    languages: Annotated[list[Token], Meta(description="One of these languages.")] = field(default_factory=list)
    text: Annotated[
        list[str], Meta(description="One of these RE2 patterns is found in the first message; case is ignored.")
    ] = field(default_factory=list)
    attributes: Annotated[dict[str, list[str]], Meta(description="Attribute to the values of which it has one.")] = (
        field(default_factory=dict)
    )
    hours: Annotated[
        Literal["open", "closed"] | None, Meta(description="Only while the rule's hours are open, or closed.")
    ] = None


class RouteSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. The first that matches wins; the last one must match everything."""

    name: Annotated[str, Meta(min_length=1, max_length=100, description="Shown wherever a decision is explained.")]
    when: Annotated[WhenSettings, Meta(description="Conditions; none: it matches everything.")] = WhenSettings()
    need: Annotated[NeedSettings, Meta(description="What an operator must have.")] = NeedSettings()
    relax: Annotated[list[RelaxSettings], Meta(description="Wider requirements after a time.")] = field(
        default_factory=list
    )
    boost: Annotated[Duration, Meta(description="As if the customer had come that much earlier; 30m at most.")] = (
        Duration(0)
    )
    tier: Annotated[int, Meta(ge=-9, le=9, description="Strict priority, smaller first; others may starve.")] = 0
    hours: Annotated[Token | None, Meta(description="Its opening hours; none: `default`, if there are such.")] = None

    def __post_init__(self) -> None:
        if self.boost > MOST_BOOST:
            raise SettingError(f"must be at most {MOST_BOOST}", key="boost")


def pattern_fault(pattern: str) -> str:
    """Say why RE2 does not take a pattern; empty: it does."""
    try:
        re2.compile(pattern, _QUIET)
    except re2.error as exc:
        return str(exc)
    return ""


def in_time(route: RouteSettings) -> Iterator[tuple[NeedSettings, tuple[int, RelaxSettings]]]:
    """Give each step of relaxation with its place in the file, behind what holds before it."""
    before: NeedSettings = route.need
    for j, step in sorted(enumerate(route.relax), key=lambda numbered: numbered[1].after):
        yield before, (j, step)
        before = step


def narrower(before: NeedSettings, after: NeedSettings) -> str:
    """Say what a step asks for that was not asked for before it; empty: it is wider."""
    for skill, level in after.skills.items():
        if before.skills.get(skill, 0) < level:
            return f"{skill} {level} was not needed"
    if after.languages and not set(before.languages) <= set(after.languages):
        return "a language is gone"
    if after.operators and not (before.operators and set(before.operators) <= set(after.operators)):
        return "operators are named who were not, or fewer"
    return ""
