"""A channel under test: the running adapter, its context, its simulated provider, and a record of all log lines."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Generic, TypeVar

import structlog
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer
from msgspec import Struct

from adapters.contract import Adapter, Sent
from adapters.errors import NotReachable, StartError
from adapters.testing.cases import Post
from adapters.testing.context import FakeContext
from adapters.testing.loopback import loopback_only
from adapters.testing.peer import Peer
from normalizer.content import Text
from normalizer.outbound import Outbound

P = TypeVar("P", bound=Peer)
Outcome = TypeVar("Outcome")
Client = TestClient[web.Request, web.Application]
Make = Callable[[FakeContext, P], Adapter]

SHORTEST_TEXT = 8
"""What customers and operators write is looked for in the log from this length on; a word may be there by chance."""

STOP_WITHIN = 5.0
"""Seconds that a channel has for its end: as long as the program waits for it."""


LOST_WITHIN = 2.0
"""Seconds in which an adapter notices that a connection was cut."""

LONGEST_SHOWN = 2_000


class HttpAnswer(Struct, frozen=True):
    """What one of the adapter's routes has answered; a status of 0 stands for a broken connection."""

    status: int
    text: str


class Heard(Struct, frozen=True):
    """A line that was logged; ``level`` as in ``logging``."""

    level: int
    text: str


class Rig(Generic[P]):
    """What the tests of one channel work with.

    ``client`` reaches the adapter's routes below ``/channels/<name>``, ``answers`` are all that they gave. ``reading``
    is the adapter's :meth:`Adapter.run`, ``broken`` is set when that has failed. ``sent`` is what :meth:`send` was
    given, ``failures`` are all exceptions that it and :meth:`find` gave.
    """

    def __init__(self, adapter: Adapter, context: FakeContext, peer: P, client: Client) -> None:
        self.adapter = adapter
        self.context = context
        self.peer = peer
        self.client = client
        self.answers: list[HttpAnswer] = []
        self.failures: list[Exception] = []
        self.broken = asyncio.Event()
        self.sent: list[Outbound] = []
        self.reading = self._begin()

    def path(self, path: str) -> str:
        """Give the whole path of one of the adapter's routes."""
        return f"/channels/{self.context.channel}{path}"

    async def post(self, post: Post, headers: Mapping[str, str]) -> HttpAnswer:
        """Make a request to one of the adapter's routes."""
        request = self.client.request(
            post.method, self.path(post.path), data=post.body, headers={**headers, **post.headers}
        )
        try:
            async with request as response:
                answer = HttpAnswer(response.status, await response.text())
        except ClientError as exc:
            answer = HttpAnswer(0, repr(exc))
        self.answers.append(answer)
        return answer

    async def send(self, message: Outbound, within: float | None = None) -> Sent | Exception:
        """Send as the delivery policy does: within the call's time, and every exception is an outcome.

        ``within`` is another time, in seconds.
        """
        self.sent.append(message)
        return await self._call(self.adapter.send, message, within)

    async def find(self, message: Outbound) -> Sent | Exception | None:
        """Ask for an outcome as the delivery policy does."""
        return await self._call(self.adapter.find, message)

    async def stop(self) -> None:
        """End the reading and close the adapter, each within :data:`STOP_WITHIN`. Raises AssertionError."""
        self.reading.cancel()
        await _end(self.reading, "run() after it was cancelled")
        await self.close()

    async def replace_adapter(self, adapter: Adapter) -> None:
        """End the adapter in the midst of its work, as a crash does, and let another one go on."""
        await self.stop()
        self.adapter = adapter
        self.reading = self._begin()

    async def go_on(self) -> None:
        """Let an adapter that has lost its provider begin to read anew, as the program does; some do it by themselves.

        Raises AssertionError: it has failed in another way.
        """
        await asyncio.wait([self.reading], timeout=LOST_WITHIN)
        if not self.reading.done():
            return
        failure = self.reading.exception()
        assert isinstance(failure, NotReachable), (
            f"run() must raise NotReachable when its provider is lost: {failure!r}"
        )
        self.broken.clear()
        self.reading = self._begin()

    async def close(self) -> None:
        """Close the adapter within :data:`STOP_WITHIN`. Raises AssertionError."""
        closing = asyncio.create_task(self.adapter.close(), name=f"{self.adapter.type}.close")
        await _end(closing, "close()")
        closing.result()

    def _begin(self) -> asyncio.Task[None]:
        reading = asyncio.create_task(self.adapter.run(), name=f"{self.adapter.type}.run")
        reading.add_done_callback(self._note_end)
        return reading

    def _note_end(self, reading: asyncio.Task[None]) -> None:
        if not reading.cancelled() and reading.exception() is not None:
            self.broken.set()

    async def _call(
        self, work: Callable[[Outbound], Awaitable[Outcome]], message: Outbound, within: float | None = None
    ) -> Outcome | Exception:
        try:
            async with asyncio.timeout(within or self.adapter.pace.call_timeout / 1_000):
                return await work(message)
        except Exception as exc:  # noqa: BLE001 - as the delivery policy: an adapter is foreign code
            self.failures.append(exc)
            return exc


@asynccontextmanager
async def rigged(make: Callable[[FakeContext, P], Adapter], peer: P) -> AsyncIterator[Rig[P]]:
    """Set a channel up, let it read, and take it down; then look whether it kept to what holds in every test.

    Raises:
        AssertionError: it did not end in time, left tasks behind, failed while it was reading, told a secret, or
            reached for another machine.
    """
    others = asyncio.all_tasks()
    with loopback_only() as tried, overheard() as heard:
        context = FakeContext()
        async with peer:
            peer.now = context.now
            rig = await _build(make(context, peer), context, peer)
            try:
                yield rig
            finally:
                await _take_down(rig)
        await _look_for_tasks(others)
    assert not tried, f"the adapter reached for other machines: {sorted(set(tried))}"
    _look_at_reading(rig)
    heard.extend(map(_heard, rig.context.logged))
    _look_for_secrets(rig, heard)
    _look_for_texts(rig, heard)


@contextmanager
def overheard() -> Iterator[list[Heard]]:
    """Collect everything that is logged, by ``logging`` (all levels) and by ``structlog``."""
    heard: list[Heard] = []
    ear = _Ear(heard)
    root = logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        with structlog.testing.capture_logs([structlog.processors.format_exc_info]) as entries:
            yield heard
    finally:
        root.setLevel(level)
        root.removeHandler(ear)
        heard.extend(map(_heard, entries))


class _Ear(logging.Handler):
    def __init__(self, heard: list[Heard]) -> None:
        super().__init__(logging.DEBUG)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(Heard(record.levelno, f"{record.name}: {self.format(record)}"))


def _heard(entry: MutableMapping[str, Any]) -> Heard:
    return Heard(logging.getLevelNamesMapping().get(str(entry["log_level"]).upper(), logging.ERROR), repr(entry))


async def _build(adapter: Adapter, context: FakeContext, peer: P) -> Rig[P]:
    app = web.Application()
    prefix = f"/channels/{context.channel}"
    app.router.add_routes(
        [web.route(route.method, prefix + route.path, route.handler, **route.kwargs) for route in adapter.routes()]
    )
    client: Client = TestClient(TestServer(app, host="127.0.0.1"))
    await client.start_server()
    return Rig(adapter, context, peer, client)


async def _take_down(rig: Rig[P]) -> None:
    try:
        await rig.stop()
    finally:
        await rig.client.close()
        await rig.context.close()


async def _end(task: asyncio.Task[None], what: str) -> None:
    _, late = await asyncio.wait([task], timeout=STOP_WITHIN)
    if late:
        task.cancel()
        await asyncio.wait([task], timeout=STOP_WITHIN)
    assert not late, f"{what} did not end within {STOP_WITHIN:g} s: bound every wait for the provider"


async def _look_for_tasks(others: set[asyncio.Task[object]]) -> None:
    left = asyncio.all_tasks() - others - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=1)
    for task in left:
        task.cancel()
    names = sorted(f"{task.get_name()} {task.get_coro()}" for task in left)
    assert not left, f"tasks still run after close(): {names}; keep every task that you start, and await it in close()"


def _look_at_reading(rig: Rig[P]) -> None:
    failure = None if rig.reading.cancelled() else rig.reading.exception()
    if failure is not None and not isinstance(failure, StartError):
        raise AssertionError(
            f"run() failed with {failure!r}: an event must not end it, and a provider that cannot be reached is a "
            "NotReachable"
        ) from failure


def _look_for_secrets(rig: Rig[P], heard: list[Heard]) -> None:
    secrets = rig.adapter.secrets()
    places = {
        "a log line": [line.text for line in heard],
        "an exception of send or find": ["".join(traceback.format_exception(exc)) for exc in rig.failures],
        "the settings, printed": [repr(rig.adapter.settings), str(rig.adapter.settings)],
        "a dead letter's reason": [f"{letter.reason} {letter.detail}" for letter in rig.context.dead_letters],
    }
    for place, texts in places.items():
        found = next((text for text in texts for secret in secrets if secret in text), None)
        if found is not None:
            for secret in secrets:
                found = found.replace(secret, "<the secret>")
            raise AssertionError(f"a secret stands in {place}: {found[:LONGEST_SHOWN]}")


def _look_for_texts(rig: Rig[P], heard: list[Heard]) -> None:
    """What people write is nobody's business who reads a log."""
    contents = [envelope.content for envelope in rig.context.offered] + [message.content for message in rig.sent]
    texts = {content.text for content in contents if isinstance(content, Text) and len(content.text) >= SHORTEST_TEXT}
    for line in heard:
        found = line.level > logging.DEBUG and any(text in line.text for text in texts)
        assert not found, f"the text of a message stands in a log line above debug: {line.text[:LONGEST_SHOWN]}"
