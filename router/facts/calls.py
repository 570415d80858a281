"""Facts of phone calls."""

from typing import Literal

from router.facts.kind import Fact
from router.rules import ChannelClass


class CallChanged(Fact, frozen=True, kw_only=True, tag="call.changed"):
    """A phone call of the conversation is now in ``state``; ``operator`` has answered it (empty: nobody we know).

    ``limit_at`` is when it counts as over without a word (0: as before), the rest as in ``router.people.LiveCall``.
    """

    conversation: str
    call: str
    channel: str
    address: str
    at: int = 0
    direction: Literal["in", "out"] = "in"
    state: Literal["ringing", "answered", "over", "missed"]
    operator: str = ""
    fresh: bool = False
    hang_up: str = ""
    limit_at: int = 0


class ConversationWeighed(Fact, frozen=True, kw_only=True, tag="conversation.weighed"):
    """It costs those who hold it so much from now on: a call has begun or ended.

    ``unanswered_at`` is when the owner loses it, as in :class:`MessageTaken`.
    """

    conversation: str
    kind: ChannelClass
    units: int
    unanswered_at: int = 0
