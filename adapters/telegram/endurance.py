"""How long Telegram may fail to answer before the channel is reported as failing."""

import asyncio

from msgspec import Struct

from adapters.errors import ChannelError, NotReachable, StartError, TryLater

LONGEST_KEPT_TO = 120.0
"""Seconds. A longer pause is said: a channel that is silent for so long fails, whoever has asked for it."""


class Tempo(Struct, frozen=True, kw_only=True):
    """Pauses in seconds. ``look`` is between two looks at the webhook, ``first`` to ``longest`` after failures.

    After ``patience`` failures in a row the channel says that it fails, and is begun anew.
    """

    look: float = 15.0
    first: float = 1.0
    longest: float = 60.0
    patience: int = 4


class Endurance:
    """Counts failures in a row."""

    def __init__(self, tempo: Tempo) -> None:
        self._tempo = tempo
        self.failures = 0

    def recovered(self) -> None:
        """Note a success."""
        self.failures = 0

    async def bear(self, error: ChannelError) -> None:
        """Wait as long as it takes, or as Telegram asks for. Raises NotReachable when that is too much."""
        self.failures += 1
        wanted = (error.retry_after if isinstance(error, TryLater) else None) or 0
        if wanted > LONGEST_KEPT_TO:
            raise NotReachable(error.code, f"{error.message} of {wanted:.0f} s")
        if self.failures >= self._tempo.patience:
            raise error if isinstance(error, StartError) else NotReachable(error.code, error.message)
        await asyncio.sleep(max(self.pause, wanted))

    async def rest(self) -> None:
        """Wait after something of ours has failed: Telegram keeps what is not confirmed."""
        self.failures += 1
        await asyncio.sleep(self.pause)

    @property
    def pause(self) -> float:
        """The present pause."""
        return float(min(self._tempo.longest, self._tempo.first * 2 ** min(max(self.failures - 1, 0), 16)))
