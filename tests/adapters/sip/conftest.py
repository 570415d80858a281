"""A phone channel at work, and the telephone network around it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from adapters.errors import NotReachable
from adapters.sip import Sip
from adapters.sip.settings import SipSettings
from adapters.testing import FakeContext
from config import ListenAddress, Secret
from normalizer.content import Call
from normalizer.outbound import Outbound
from tests.adapters.sip.pbx import HOST, Customer, Kamailio, Phone, eventually

TOKEN = "a-token-of-the-tests"
CUSTOMER = "tel:+48600100200"


class Channel:
    """The channel as the program runs it: begun again when its telephone system was lost."""

    def __init__(self, settings: SipSettings, context: FakeContext) -> None:
        self.settings = settings
        self.context = context
        self.adapter = Sip(settings, context)
        self.lost: list[NotReachable] = []
        self._wishes = 0
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def reads(self) -> None:
        """Wait until it is told of calls: before that they go on without us."""
        await eventually(lambda: any(said["event"] == "sip.reading" for said in self.context.logged), "it reads")

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.adapter.run()
            except NotReachable as exc:
                self.lost.append(exc)
            await asyncio.sleep(0.2)

    def calls(self, event: str = "") -> list[Call]:
        """What was accepted, of one kind or all; what came twice once, as the router takes it."""
        contents = {envelope.native_id: envelope.content for envelope in self.context.accepted}.values()
        return [call for call in contents if isinstance(call, Call) and event in ("", call.event)]

    def story(self) -> list[str]:
        """The kinds of what was accepted, in order."""
        return [call.event for call in self.calls()]

    async def heard(self, event: str, count: int = 1) -> Call:
        """Wait for the ``count``-th event of a kind."""
        found = await eventually(lambda: self.calls(event)[count - 1 : count], f"{event} {count}; got {self.story()}")
        return found[0]

    async def wish(self, event: str, *, call: str = "", to: str = "", address: str = CUSTOMER) -> str:
        """Send a wish as the router would; gives its outbound id."""
        self._wishes += 1
        content = Call(call=call, event=event, to=to)  # type: ignore[arg-type] # the tests try wrong words too
        outbound = Outbound(
            id=f"c1-{self._wishes}", conversation="c1", channel="phone", address=address, at=0, content=content
        )
        async with asyncio.timeout(30):
            await self.adapter.send(outbound)
        return outbound.id


def real_time(context: FakeContext) -> FakeContext:
    """Let the clock of the context agree with those of real programs."""
    context.now = lambda: time.time_ns() // 1_000_000  # type: ignore[method-assign] # as the program's own
    return context


@pytest.fixture
async def context() -> AsyncIterator[FakeContext]:
    context = real_time(FakeContext("phone"))
    yield context
    await context.close()


class Network:
    """Kamailio, phones, customers and channels; all of it gone at the end of the test."""

    def __init__(self, folder: Path, stack: AsyncExitStack, kamailio: Kamailio) -> None:
        self.folder = folder
        self.kamailio = kamailio
        self._stack = stack

    def settings(self) -> SipSettings:
        kamailio = self.kamailio
        return SipSettings(
            source="kamailio",
            country="PL",
            address=ListenAddress(f"{HOST}:{kamailio.events}"),
            control=ListenAddress(f"{HOST}:{kamailio.control}"),
            password=Secret(TOKEN),
            dial=f"sip:{{number}}@{HOST}:{kamailio.sip}",
        )

    async def channel(self, context: FakeContext) -> Channel:
        channel = Channel(self.settings(), context)
        self._stack.push_async_callback(channel.stop)
        await channel.start()
        await channel.reads()
        return channel

    async def phone(self, name: str, *, answers: bool = True) -> Phone:
        phone = Phone(name, self.kamailio, self.folder, answers=answers)
        self._stack.push_async_callback(phone.stop)
        await phone.start()
        return phone

    async def outside(self, name: str) -> Phone:
        """A customer's phone that does more than a script: it is not registered, and answers."""
        phone = Phone(name, self.kamailio, self.folder, registers=False)
        self._stack.push_async_callback(phone.stop)
        await phone.start()
        return phone

    async def customer(
        self, scenario: str, *, number: str = "+48600100200", seconds: float = 1, calls: int = 1
    ) -> Customer:
        customer = Customer(scenario, self.kamailio, self.folder, number=number, seconds=seconds, calls=calls)
        self._stack.push_async_callback(customer.stop)
        await customer.start()
        return customer


@pytest.fixture
async def network(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Network]:
    defines: dict[str, str] = getattr(request, "param", {})
    async with AsyncExitStack() as stack:
        kamailio = Kamailio(tmp_path, **{"TRUNKLINE_TOKEN": f'"{TOKEN}"', **defines})
        stack.push_async_callback(kamailio.stop)
        await kamailio.start()
        yield Network(tmp_path, stack, kamailio)
