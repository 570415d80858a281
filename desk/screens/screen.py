"""One open desk (a screen) as the feed sees it, and its position in the log."""

from collections.abc import Callable

from msgspec import Struct

from desk.conversations.transcript import Transcript
from desk.conversations.views import may_open
from desk.ports import Account
from router.state import State


class Place(Struct, frozen=True, array_like=True):
    """What a cursor says: a place in a log stream, and what the screen listed there."""

    stream: int
    seq: int
    everything: bool


class Screen:
    """One socket as the feed sees it. ``after`` is what the client has seen already.

    ``send`` never waits; ``gone`` is called when a conversation that it shows is not for its operator to read any more.
    """

    __slots__ = ("account", "after", "everything", "gone", "send", "watching")

    def __init__(
        self, account: Account, send: Callable[[bytes], bool], gone: Callable[[str], None], *, everything: bool
    ) -> None:
        self.account = account
        self.send = send
        self.gone = gone
        self.everything = everything
        self.watching: dict[str, Transcript] = {}
        self.after = 0

    def may_read(self, state: State, conversation: str) -> bool:
        """Whether an open conversation may stay on this screen."""
        transcript = self.watching[conversation]
        if self.account.id in transcript.mentioned:
            return True
        return may_open(state, self.account.id, self.account.role, conversation, transcript.person)
