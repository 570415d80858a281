"""What every telephone system is to the channel: something that tells of calls, and takes wishes."""

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from adapters.contract import Finding


class Source(Protocol):
    """A telephone system. Wishes raise SendError or StartError, as :meth:`adapters.contract.Adapter.send` does."""

    async def check(self) -> Sequence[Finding]:
        """Look whether it can be reached and lets us in. Raises StartError."""
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
