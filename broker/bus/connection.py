"""One connection to NATS: publishing, live messages, questions and answers. Its client is kept by `broker.bus.link`."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

import msgspec
import nats.errors
import structlog

from broker.bus.errors import AskFailed, NoAnswer, NobodyStores, PublishUnknown
from broker.bus.link import Link, Notice
from broker.bus.pipeline import Outcome, Pipeline, PubAck
from broker.bus.questions import Questions
from broker.bus.settings import BusSettings
from broker.bus.subscription import Interest, Subscription
from broker.bus.wire import Arrived, Wire, header_block

RETRY_PUBLISH = 0.05  # seconds between two attempts while a stream has no leader
FORGET_AFTER = 60.0  # seconds that a single publish is remembered after its caller gave up
LIVE_BACKLOG = 1024  # live messages kept for a slow subscriber; the oldest go first
ERROR_HEADER = "Trunkline-Error"
LOST = "the connection was lost before the answer came"

log = structlog.get_logger(__name__)


class LiveMessage(msgspec.Struct, frozen=True):
    """A message that is never stored."""

    subject: str
    payload: bytes


LiveCallback = Callable[[LiveMessage], Awaitable[None]]
Handler = Callable[[bytes], Awaitable[bytes]]


class Bus:
    """A connection that reconnects for ever. Not for use from another thread or loop."""

    def __init__(self, settings: BusSettings, name: str) -> None:
        self._settings = settings
        self._link = Link(settings, name, lost=self._lose, back=self._come_back, renew=self._renew)
        self._interests: set[Interest] = set()
        self._pipelines: set[Pipeline] = set()
        self._subscriptions: set[Subscription] = set()
        self._on_reconnect: set[Notice] = set()
        self._on_disconnect: set[Notice] = set()
        self._singles: Pipeline
        self._questions = Questions()

    @classmethod
    async def connect(cls, settings: BusSettings, name: str) -> Self:
        """Connect or raise `NotConnected` after `settings.connect_timeout`."""
        bus = cls(settings, name)
        await bus._link.connect()
        bus._singles = await bus.publisher(timeout=FORGET_AFTER)
        questions = bus._questions
        questions.inbox = bus.new_inbox()
        await bus._subscribe(f"{questions.inbox}.*", "", questions.receive)
        return bus

    @property
    def settings(self) -> BusSettings:
        """What it was connected with."""
        return self._settings

    @property
    def connected(self) -> bool:
        """Whether a server is there at this moment, as far as is known."""
        return self._link.client.is_connected

    @property
    def largest(self) -> int:
        """How many bytes of headers and payload together the server has said that it takes; 0 without a connection."""
        return self._link.largest

    def on_reconnect(self, callback: Notice) -> Callable[[], None]:
        """Call `callback` after each reconnect; returns what removes it."""
        self._on_reconnect.add(callback)
        return lambda: self._on_reconnect.discard(callback)

    def on_disconnect(self, callback: Notice) -> Callable[[], None]:
        """Call `callback` after each loss of the connection; returns what removes it."""
        self._on_disconnect.add(callback)
        return lambda: self._on_disconnect.discard(callback)

    async def close(self) -> None:
        """Flush what is buffered and close; bounded, never hangs, may be called twice."""
        await self._link.stop_keeping()
        for subscription in list(self._subscriptions):
            await subscription.unsubscribe()
        for pipeline in list(self._pipelines):
            await pipeline.close()
        self._questions.give_up("the connection was closed before the answer came")
        await self._link.close()

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 5.0,  # noqa: ASYNC109  # the contract: each call names its bound
    ) -> PubAck:
        """Publish to a stream and wait until it is stored.

        Waits for a connection, and for a leader of the stream, within the same `timeout` (seconds).

        Raises:
            PublishRefused: the server said no.
            PublishUnknown: no answer in time, or the connection was lost before it came.
        """
        nobody: NobodyStores | None = None
        try:
            async with asyncio.timeout(timeout):
                while True:
                    await self._link.ready()
                    try:
                        return await self._singles.send(subject, payload, headers)
                    except NobodyStores as error:
                        nobody = error
                    await asyncio.sleep(RETRY_PUBLISH)
        except TimeoutError as error:
            raise PublishUnknown(str(nobody or f"no answer within {timeout:g} s")) from error

    def send(self, subject: str, payload: bytes, head: bytes = b"") -> asyncio.Future[PubAck]:
        """Publish to a stream at once, with headers that are encoded already; for who has clocks of their own.

        The future gives the acknowledgement, or raises `PublishRefused` or `PublishUnknown`, also at once.
        """
        return self._singles.send_block(subject, payload, head)

    async def publisher(
        self,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109  # the contract: each call names its bound
        settled: Callable[[Outcome], None] | None = None,
    ) -> Pipeline:
        """Open a pipeline whose messages are given up (as unknown) after `timeout` seconds."""

        async def end() -> None:
            self._pipelines.discard(pipeline)
            await self._unsubscribe(interest)

        pipeline = Pipeline(self._link.client.new_inbox(), timeout, settled, end)
        interest = await self._subscribe(f"{pipeline.inbox}.*", "", pipeline.receive)
        self._pipelines.add(pipeline)
        if self._link.whole:
            pipeline.attach(self._link.client)
        return pipeline

    def send_now(self, subject: str, payload: bytes, headers: dict[str, str] | None = None, reply: str = "") -> None:
        """Write one message to the connection's buffer; raises `PublishUnknown` when it cannot be sent."""
        try:
            self._link.client.write(subject, payload, reply, header_block(headers))
        except nats.errors.Error as error:
            raise PublishUnknown(f"not sent: {error}") from error

    async def publish_live(self, subject: str, payload: bytes) -> None:
        """Publish without storing; lost when nobody listens or the connection is down."""
        with contextlib.suppress(PublishUnknown):
            self.send_now(subject, payload)

    async def subscribe_live(self, subject: str, callback: LiveCallback) -> Subscription:
        """Call `callback` with each live message on `subject`, one at a time; a slow one loses the oldest."""
        backlog: asyncio.Queue[Arrived] = asyncio.Queue(LIVE_BACKLOG)

        def receive(message: Arrived) -> None:
            if backlog.full():
                backlog.get_nowait()
            backlog.put_nowait(message)

        async def work() -> None:
            while True:
                message = await backlog.get()
                try:
                    await callback(LiveMessage(message.subject, message.data))
                except Exception:
                    log.exception("bus.live_callback_failed", subject=subject)

        return await self._serve_tasks(subject, "", receive, {asyncio.create_task(work())})

    async def request(self, subject: str, payload: bytes, timeout: float = 5.0) -> bytes:  # noqa: ASYNC109  # the contract: each call names its bound
        """Ask whoever serves `subject`; raises `NoAnswer` or `AskFailed`."""
        answer = await self.ask(subject, payload, timeout)
        code = answer.headers.get(ERROR_HEADER) if answer.head else None
        if code is not None:
            raise AskFailed(code, answer.data.decode(errors="replace"))
        return answer.data

    async def ask(self, subject: str, payload: bytes, seconds: float) -> Arrived:
        """Send a request and give the raw answer; raises `NoAnswer`."""
        try:
            async with asyncio.timeout(seconds):
                await self._link.ready()
                return await self._questions.ask(self._link.client, subject, payload)
        except (TimeoutError, nats.errors.Error) as error:
            raise NoAnswer(f"no answer on {subject} within {seconds:g} s") from error

    async def serve(self, subject: str, handler: Handler, queue: str | None = None) -> Subscription:
        """Answer requests, each in a task of its own; with `queue` one of its members answers each.

        An `AskFailed` raised by `handler` reaches the asker as the same; anything else as code `internal`.
        """
        tasks: set[asyncio.Task[None]] = set()

        def receive(message: Arrived) -> None:
            task = asyncio.create_task(self._answer(message, handler))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        return await self._serve_tasks(subject, queue or "", receive, tasks)

    async def listen(self, subject: str, receive: Callable[[Arrived], None]) -> Subscription:
        """Hand every message on `subject` to `receive` at once, which must not raise; for this package."""
        return await self._serve_tasks(subject, "", receive, set())

    def new_inbox(self) -> str:
        """A subject that nobody else uses."""
        return self._link.client.new_inbox()

    async def _serve_tasks(
        self, subject: str, queue: str, receive: Callable[[Arrived], None], tasks: set[asyncio.Task[None]]
    ) -> Subscription:
        interest = await self._subscribe(subject, queue, receive)

        async def end() -> None:
            self._subscriptions.discard(subscription)
            await self._unsubscribe(interest)

        subscription = Subscription(end, tasks)
        self._subscriptions.add(subscription)
        return subscription

    async def _answer(self, message: Arrived, handler: Handler) -> None:
        headers = None
        try:
            payload = await handler(message.data)
        except AskFailed as failed:
            payload, headers = failed.description.encode(), {ERROR_HEADER: failed.code}
        except Exception:
            log.exception("bus.handler_failed", subject=message.subject)
            payload, headers = b"the service failed; its log says why", {ERROR_HEADER: "internal"}
        with contextlib.suppress(PublishUnknown):  # the asker's time-out covers a lost answer
            self.send_now(message.reply, payload, headers)

    async def _subscribe(self, subject: str, queue: str, receive: Callable[[Arrived], None]) -> Interest:
        interest = Interest(subject, queue, receive)
        self._interests.add(interest)
        if self._link.whole:
            await interest.open(self._link.client)
        return interest

    async def _unsubscribe(self, interest: Interest) -> None:
        self._interests.discard(interest)
        await interest.close()

    def _lose(self) -> None:
        for pipeline in list(self._pipelines):
            pipeline.give_up(LOST)
        self._questions.give_up(LOST)
        self._notify(self._on_disconnect)

    def _come_back(self) -> None:
        self._notify(self._on_reconnect)

    async def _renew(self, client: Wire) -> None:
        """Give a fresh client what the one before had, and what has been asked for meanwhile."""
        while missing := [interest for interest in self._interests if not interest.open_on(client)]:
            for interest in missing:
                if interest in self._interests:
                    await interest.open(client)
        for pipeline in list(self._pipelines):
            pipeline.attach(client)

    def _notify(self, callbacks: set[Notice]) -> None:
        """An exception must not reach nats-py, which would stop to reconnect."""
        for callback in list(callbacks):
            try:
                callback()
            except Exception:
                log.exception("bus.notice_failed")
