"""The frames of a screen's socket, both ways. Described in docs/desk-protocol.md."""

import msgspec
from msgspec import Struct

from desk.protocol.bodies import Opened
from desk.protocol.events import Answer
from desk.protocol.wire import (
    AnswerShown,
    ChannelShown,
    Choices,
    CommandId,
    Cursor,
    LevelsShown,
    Me,
    OperatorCard,
    QueueShown,
    Summary,
)
from router.inputs import Action, Id
from web.sockets import Fault

# --- from the browser -----------------------------------------------------------------------------


class Hello(Struct, frozen=True, kw_only=True, tag_field="type", tag="hello", omit_defaults=True):
    """First frame. With ``cursor`` the screen already shows what was true there, for the same ``everything``."""

    cursor: Cursor = ""
    everything: bool = False


class Show(Struct, frozen=True, kw_only=True, tag_field="type", tag="show"):
    """Supervisor: list every conversation and operator, or only one's own and the queue. Answered with a view."""

    everything: bool


class Watch(Struct, frozen=True, kw_only=True, tag_field="type", tag="watch", omit_defaults=True):
    """A conversation is opened on the screen. ``person`` finds it when it has left the memory."""

    conversation: Id
    person: Id | None = None


class Unwatch(Struct, frozen=True, kw_only=True, tag_field="type", tag="unwatch"):
    """It is not on the screen any more."""

    conversation: Id


class CommandFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="command"):
    """A command; answered with ``answer`` frames, of which the last one counts."""

    id: CommandId
    action: Action


class TypingFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="typing", omit_defaults=True):
    """The operator is typing (or has stopped)."""

    conversation: Id
    on: bool = True


class Active(Struct, frozen=True, kw_only=True, tag_field="type", tag="active"):
    """Somebody sits at this screen: a key, the pointer or a touch, told at most once a minute."""


ClientFrame = Hello | Show | Watch | Unwatch | CommandFrame | TypingFrame | Active


# --- to the browser --------------------------------------------------------------------------------------------------


class Welcome(Struct, frozen=True, kw_only=True, tag_field="type", tag="welcome"):
    """Answer to ``hello``. ``resumed``: only what has changed since the cursor follows; otherwise a whole view.

    ``idle_after`` (ms): an operator who does nothing for so long is set away; 0: never. ``service_levels``: how long
    customers may wait.
    """

    me: Me
    now: int
    rules: int
    languages: tuple[str, ...]
    channels: dict[str, ChannelShown]
    resumed: bool
    idle_after: int
    service_levels: LevelsShown


class ViewFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="view", omit_defaults=True):
    """Everything that the lists hold, at ``cursor``; replaces what is on the screen.

    ``waiting`` counts the whole queue; longer lists are cut, oldest first, and paged over HTTP. ``choices`` is what
    there is to choose from by the rules in force.
    """

    cursor: str
    everything: bool
    conversations: tuple[Summary, ...]
    operators: tuple[OperatorCard, ...]
    waiting: int
    choices: Choices


class AnswersFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="answers"):
    """Every canned answer that the operator can use; replaces what is on the screen."""

    cursor: str
    answers: tuple[AnswerShown, ...]


class QueuesFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="queues"):
    """The queues as they are now, for screens that show everything; replaces what is on the screen."""

    queues: tuple[QueueShown, ...]


class Changes(Struct, frozen=True, kw_only=True, tag_field="type", tag="changes"):
    """What one record changed, or all since the cursor of a ``hello``; to be shown as a whole."""

    cursor: str
    events: tuple[msgspec.Raw, ...]


class Watched(Struct, frozen=True, kw_only=True, tag_field="type", tag="watched"):
    """Answer to ``watch``; replaces the items on the screen. What comes later follows as events."""

    opened: Opened


class AnswerFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="answer"):
    """Answer to a command. After ``not_confirmed`` another one may come."""

    answer: Answer


class Beat(Struct, frozen=True, kw_only=True, tag_field="type", tag="beat"):
    """Every few seconds, and when ``lag`` (seconds that the node is behind the log) changes much: we are alive."""

    now: int
    lag: float
    cursor: str


class CustomerTyping(Struct, frozen=True, kw_only=True, tag_field="type", tag="typing", omit_defaults=True):
    """The customer of an open conversation is typing; ``text`` is what they have so far, where the channel shows it."""

    conversation: str
    text: str = ""
    on: bool = True


ServerFrame = (
    Welcome | ViewFrame | AnswersFrame | QueuesFrame | Changes | Watched | AnswerFrame | Beat | CustomerTyping | Fault
)

client_frames = msgspec.json.Decoder(ClientFrame)
