"""One connection to NATS: publishing with and without waiting, live messages, questions and answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Self

import msgspec


class UserPassword(msgspec.Struct, frozen=True):
    """A user and a password."""

    user: str
    password: str


class CredentialsFile(msgspec.Struct, frozen=True):
    """A NATS credentials file (JWT and seed)."""

    path: Path


class BusSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the servers are and how many copies of each stream they keep."""

    servers: tuple[str, ...]
    credentials: UserPassword | CredentialsFile | None = None
    replicas: int = 1
    connect_timeout: float = 10.0
    request_timeout: float = 5.0


class PubAck(msgspec.Struct, frozen=True):
    """JetStream's word that a message is stored."""

    stream: str
    seq: int
    duplicate: bool = False


class LiveMessage(msgspec.Struct, frozen=True):
    """A message that is never stored."""

    subject: str
    payload: bytes


LiveCallback = Callable[[LiveMessage], Awaitable[None]]
Handler = Callable[[bytes], Awaitable[bytes]]
Notice = Callable[[], None]


class Subscription:
    """Interest in a subject; ends with `unsubscribe`."""

    async def unsubscribe(self) -> None:
        """Stop; bounded, never raises because the connection is gone."""
        raise NotImplementedError


class Pipeline:
    """Publishes without waiting: many messages under way at once, each with a future of its acknowledgement."""

    def send(self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> asyncio.Future[PubAck]:
        """Send now and return at once; the future gives `PubAck`, `PublishRefused` or `PublishUnknown`."""
        raise NotImplementedError

    @property
    def pending(self) -> int:
        """How many messages are sent and not answered."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the subscription; what is unanswered becomes `PublishUnknown`."""
        raise NotImplementedError


class Bus:
    """A connection that reconnects for ever."""

    @classmethod
    async def connect(cls, settings: BusSettings, name: str) -> Self:
        """Connect or raise `NotConnected` after `settings.connect_timeout`."""
        raise NotImplementedError

    @property
    def settings(self) -> BusSettings:
        """What it was connected with."""
        raise NotImplementedError

    @property
    def connected(self) -> bool:
        """Whether a server is there at this moment."""
        raise NotImplementedError

    def on_reconnect(self, callback: Notice) -> Callable[[], None]:
        """Call `callback` after each reconnect; returns what removes it."""
        raise NotImplementedError

    def on_disconnect(self, callback: Notice) -> Callable[[], None]:
        """Call `callback` after each loss of the connection; returns what removes it."""
        raise NotImplementedError

    async def close(self) -> None:
        """Flush and close; bounded, never hangs."""
        raise NotImplementedError

    async def publish(
        self, subject: str, payload: bytes, *, headers: Mapping[str, str] | None = None, timeout: float = 5.0
    ) -> PubAck:
        """Publish to a stream and wait until it is stored.

        Raises:
            PublishRefused: the server said no.
            PublishUnknown: no answer in `timeout` seconds.
        """
        raise NotImplementedError

    async def publisher(self, *, timeout: float = 5.0) -> Pipeline:
        """Open a pipeline whose messages are given up (as unknown) after `timeout` seconds."""
        raise NotImplementedError

    async def publish_live(self, subject: str, payload: bytes) -> None:
        """Publish without storing; lost when nobody listens or the connection is down."""
        raise NotImplementedError

    async def subscribe_live(self, subject: str, callback: LiveCallback) -> Subscription:
        """Call `callback` with each live message on `subject`, one at a time."""
        raise NotImplementedError

    async def request(self, subject: str, payload: bytes, timeout: float = 5.0) -> bytes:
        """Ask; raises `NoAnswer` or `AskFailed`."""
        raise NotImplementedError

    async def serve(self, subject: str, handler: Handler, queue: str | None = None) -> Subscription:
        """Answer requests; an `AskFailed` raised by `handler` reaches the asker as the same."""
        raise NotImplementedError
