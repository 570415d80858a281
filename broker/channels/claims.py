"""Claims: who called the provider for which message, and what came of it.

A claim is written before the provider is called and again afterwards. One that says ``calling`` when somebody starts
means that its writer died in the call, so nobody knows whether the message was sent. Kept for 7 days.
"""

import asyncio
from typing import Literal

import msgspec
import structlog
from msgspec import Struct

from broker.bus.connection import Bus
from broker.bus.errors import KeyExists, NoAnswer, PublishRefused, PublishUnknown, WrongRevision
from broker.bus.kv import Bucket, kv_key
from broker.bus.streams import Workspace

PAUSE = 0.2

log = structlog.get_logger(__name__)


class Overtaken(Exception):
    """Somebody else sends for this channel now."""


class Claim(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message (or piece of one) and its provider.

    ``calling``: the provider is being called since ``at``. ``waiting``: it was certainly not sent and may be tried
    again at ``at``. The others are final. ``number`` counts the attempts, ``worker`` is unique to each start of one.
    """

    worker: str
    number: int
    state: Literal["calling", "waiting", "sent", "failed", "unknown"]
    at: int
    native_id: str = ""
    code: str = ""
    message: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing more will be done about it."""
        return self.state in ("sent", "failed", "unknown")


class Claims:
    """The claims of one channel."""

    def __init__(self, bus: Bus, workspace: Workspace, channel: str) -> None:
        self._bucket = Bucket(bus, workspace.claims_bucket)
        self._prefix = f"{workspace.name}.{channel}."

    async def read(self, message: str) -> tuple[Claim | None, int]:
        """Give the claim of a message and its revision; (None, 0) when there is none."""
        while True:
            try:
                entry = await self._bucket.get(self._key(message))
            except NoAnswer:
                await asyncio.sleep(PAUSE)
            else:
                return (msgspec.json.decode(entry.value, type=Claim), entry.revision) if entry else (None, 0)

    async def write(self, message: str, claim: Claim, revision: int) -> int:
        """Write a claim over ``revision`` (0: there must be none) and return the new one, however long it takes.

        A store that is full for a moment must not make a known outcome unknown.

        Raises:
            Overtaken: somebody else wrote it since.
        """
        value, key = msgspec.json.encode(claim), self._key(message)
        told = ""
        while True:
            try:
                return await self._bucket.write(key, value, revision)
            except (KeyExists, WrongRevision) as exc:
                found, found_revision = await self.read(message)
                if found == claim:  # our own, whose answer was lost
                    return found_revision
                raise Overtaken(f"{message} was claimed by somebody else") from exc
            except (NoAnswer, PublishUnknown, PublishRefused) as exc:
                if str(exc) != told:
                    log.warning("claim.not_written", message=message, reason=str(exc))
                    told = str(exc)
                await asyncio.sleep(PAUSE)

    def _key(self, message: str) -> str:
        return self._prefix + kv_key(message)
