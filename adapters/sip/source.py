"""The interface to a telephone system (a "source"): it reports calls and takes orders ("wishes")."""

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from adapters.contract import Finding
from adapters.errors import RateLimited
from adapters.http_errors import DEFAULT_PAUSE, read_retry_after

MOST_OFF = 5_000
"""Milliseconds. Times of calls come from the telephone system; beyond this they look wrong."""


def look_at_clock(whose: str, clock: int, now: int) -> Finding:
    """Compare the clock of a telephone system with ours; both in ms."""
    off = clock - now
    if abs(off) <= MOST_OFF:
        return Finding(what=f"the clock of {whose} is right", ok=True)
    word = "ahead" if off > 0 else "behind"
    what = f"the clock of {whose} is {abs(off) / 1_000:.0f} s {word}"
    return Finding(what=what, ok=False, remedy="let both machines set their clocks by the same time server (NTP)")


def asked_to_wait(whose: str, retry_after: str | None, now: int) -> RateLimited:
    """Give what HTTP status 429 means: whoever stands before the telephone system takes no wish now; ``now`` in ms."""
    seconds = read_retry_after(retry_after, now)
    return RateLimited(
        "rate_limited",
        f"{whose} asks for a pause.",
        retry_after=DEFAULT_PAUSE if seconds is None else seconds,
        whole_channel=True,
    )


class Source(Protocol):
    """A telephone system. Wishes raise SendError or StartError, as :meth:`adapters.contract.Adapter.send` does."""

    async def check(self) -> Sequence[Finding]:
        """Look whether it can be reached and lets us in. Raises StartError."""
        ...

    def secrets(self) -> Sequence[str]:
        """Name what must appear in no log line, beside what stands in the settings."""
        ...

    async def run(self) -> None:
        """Take its events until cancelled. Raises StartError."""
        ...

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the addresses that it posts to."""
        ...

    async def ring(self, call: str, phone: str, wish: str) -> None:
        """Let a phone ring for a call, instead of the one that rings now; an empty ``phone``: let none ring."""
        ...

    async def hang_up(self, call: str, wish: str) -> None:
        """End a call; one that is over already has ended."""
        ...

    async def dial(self, number: str, phone: str, wish: str) -> None:
        """Let an operator's phone ring, then call ``number`` and connect both."""
        ...
