"""The client of nats-py below a bus: opened, kept, replaced and closed.

nats-py's faults are made good here: a connection whose server stands still is cut (nats-py would wait for it for
ever), one that nats-py has given up is opened anew with all its subscriptions, and closing is bounded.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Awaitable, Callable

import nats.errors
import structlog

from broker.bus.errors import NotConnected
from broker.bus.settings import BusSettings, CredentialsFile, UserPassword
from broker.bus.subscription import CLOSE_TIMEOUT
from broker.bus.wire import Wire, heeding_cancellation

PING_EVERY = 2  # seconds; a server that stands still is noticed after three of them
RETRY_EVERY = 0.25  # seconds between two attempts on the same server
KEEP_EVERY = 0.5  # seconds between two looks at the connection
CUT_AFTER = 1.0  # seconds that nats-py gets to end a connection by itself
REPLACE_AFTER = 30.0  # seconds without a connection after which a fresh client is tried
_NO_TOKEN = re.compile(r"[^A-Za-z0-9_-]")

log = structlog.get_logger(__name__)

Notice = Callable[[], None]


def inbox_of(user: str) -> str:
    """Where a user gets answers: a place of its own, so that rights can keep others from listening there."""
    return f"_INBOX.{_NO_TOKEN.sub('-', user)}" if user else "_INBOX"


class Link:
    """Keeps a client connected for ever; a fresh one takes its place where nats-py has given up.

    ``lost`` and ``back`` are called with each loss and return of the connection, and must not raise; ``renew`` gives a
    fresh client what the one before had.
    """

    def __init__(
        self, settings: BusSettings, name: str, *, lost: Notice, back: Notice, renew: Callable[[Wire], Awaitable[None]]
    ) -> None:
        self.client = Wire()
        self._settings = settings
        self._name = name
        self._lost = lost
        self._back = back
        self._renew = renew
        self._up = asyncio.Event()
        self._cut_off = False
        self._whole = True  # whether the present client has all subscriptions
        self._last_error: Exception | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Connect and keep it, or raise `NotConnected` after `settings.connect_timeout`."""
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                await self._open()
        except TimeoutError as error:
            await self.close()
            raise NotConnected(self._no_connection()) from error
        self._keeper = asyncio.create_task(self._keep())

    @property
    def whole(self) -> bool:
        """Whether the present client stays; what a fresh one is to have it gets before it is used."""
        return self._whole and not self.client.is_closed

    @property
    def largest(self) -> int:
        """How many bytes of headers and payload together the server has said that it takes; 0 without a connection."""
        return self.client.max_payload if self._whole and self.client.is_connected else 0

    async def ready(self) -> None:
        """Wait for a connection that has all subscriptions."""
        while not (self._whole and self.client.is_connected):
            self._up.clear()
            await self._up.wait()

    async def stop_keeping(self) -> None:
        """Cut and replace no client any more."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    async def close(self) -> None:
        """Flush what is buffered and close; bounded."""
        await self._close_client(self.client)

    async def _open(self) -> None:
        """Connect a fresh client, trying until the caller's time is up."""
        client = self.client = Wire()
        login = self._settings.credentials
        authorities = self._settings.ca
        await heeding_cancellation(
            client.connect(
                servers=list(self._settings.servers),
                name=self._name,
                error_cb=self._note_error,
                disconnected_cb=self._note_disconnect,
                reconnected_cb=self._note_reconnect,
                connect_timeout=2,
                reconnect_time_wait=RETRY_EVERY,  # type: ignore[arg-type]  # annotated int, used as seconds of any kind
                max_reconnect_attempts=-1,
                ping_interval=PING_EVERY,
                max_outstanding_pings=2,
                pending_size=-1,  # never buffer for a later connection: a publish without one fails at once
                skip_subject_validation=True,  # subjects are built by broker.bus.streams
                user=login.user if isinstance(login, UserPassword) else None,
                password=login.password if isinstance(login, UserPassword) else None,
                user_credentials=str(login.path) if isinstance(login, CredentialsFile) else None,
                inbox_prefix=inbox_of(login.user if isinstance(login, UserPassword) else ""),
                tls=ssl.create_default_context(cafile=authorities) if authorities is not None else None,
            )
        )

    async def _note_error(self, error: Exception) -> None:
        self._last_error = error
        log.debug("bus.error", error=repr(error))

    async def _note_disconnect(self) -> None:
        self._cut_off = True
        self._lost()

    async def _note_reconnect(self) -> None:
        self._cut_off = False
        self._up.set()
        self._back()

    async def _keep(self) -> None:
        """Do what nats-py leaves undone: cut a connection that does not end, replace a client that gave up."""
        down = 0.0
        while True:
            await asyncio.sleep(KEEP_EVERY)
            down = 0.0 if self.client.is_connected else down + KEEP_EVERY
            if self.client.is_closed or not self._whole or down >= REPLACE_AFTER:
                log.warning("bus.reopening", error=repr(self.client.last_error))
                try:
                    await self._reopen()
                except (nats.errors.Error, OSError) as error:  # lost again in the middle: the next look repeats it
                    log.warning("bus.not_reopened", error=repr(error))
                except Exception:  # a slip of nats-py's, or a file of credentials that is just being written
                    log.exception("bus.not_reopened")
            elif self.client.is_reconnecting and not self._cut_off and down >= CUT_AFTER:
                self.client.cut()

    async def _reopen(self) -> None:
        self._whole = False
        await self._close_client(self.client)
        self._lost()  # nats-py says nothing when closing fails
        await self._open()
        await self._renew(self.client)
        self._whole = True
        await self._note_reconnect()

    async def _close_client(self, client: Wire) -> None:
        """Close within CLOSE_TIMEOUT, whatever nats-py does; it swallows cancellation in places."""
        closing = asyncio.create_task(self._flush_and_close(client))
        await asyncio.wait([closing], timeout=CLOSE_TIMEOUT)
        client.cut()
        closing.cancel()
        await asyncio.wait([closing], timeout=CLOSE_TIMEOUT)

    async def _flush_and_close(self, client: Wire) -> None:
        with contextlib.suppress(nats.errors.Error, OSError):
            if client.is_connected:
                await client.flush(timeout=1)
        with contextlib.suppress(nats.errors.Error, OSError):
            await client.close()

    def _no_connection(self) -> str:
        where = ", ".join(self._settings.servers)
        return (
            f"no NATS server at {where} within {self._settings.connect_timeout:g} s"
            f" (last error: {self._last_error or 'none'}). Is it running, and are the credentials right?"
        )
