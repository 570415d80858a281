"""The bodies of requests and answers over HTTP, made of what ``desk.protocol.wire`` shows."""

from typing import Annotated

from msgspec import Meta, Struct

from desk.ports import Alarm
from desk.protocol.wire import CommandId, Item, OperatorCard, Summary, View
from normalizer.content import Media
from router.inputs import Action


class SignIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wants in."""

    operator: Annotated[str, Meta(min_length=1, max_length=80)]
    password: Annotated[str, Meta(min_length=1, max_length=1_000)]


class Do(Struct, frozen=True, kw_only=True):
    """A command: what to do, under an id of the client's."""

    id: CommandId
    action: Action


class Conversations(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of a list. ``next`` is given back as ``after`` for the following one; ``total`` counts all."""

    view: View
    total: int
    conversations: tuple[Summary, ...]
    next: str = ""


class Opened(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation with the last of its items, oldest first. ``more``: there are earlier ones, before the first.

    ``past`` names earlier conversations of the same person, oldest first.
    """

    conversation: str
    person: str
    items: tuple[Item, ...]
    summary: Summary | None = None
    more: bool = False
    past: tuple[str, ...] = ()


class Explained(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a conversation was routed as it was: one sentence per decision, oldest first, as of log ``position``.

    ``why_not`` says why the operator who was asked about does not get it now.
    """

    conversation: str
    position: int
    told: tuple[str, ...]
    why_not: str = ""


class Operators(Struct, frozen=True, kw_only=True):
    """Everybody in the rules."""

    operators: tuple[OperatorCard, ...]


class Alarms(Struct, frozen=True, kw_only=True):
    """What somebody has to look at, the oldest first."""

    alarms: tuple[Alarm, ...]


class Uploaded(Struct, frozen=True, kw_only=True):
    """A stored file, ready to be sent as (part of) a content."""

    media: Media
