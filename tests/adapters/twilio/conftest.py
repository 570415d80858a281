"""A Twilio channel on a real server on loopback, over the simulator."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, settings

from adapters.testing import FakeContext
from adapters.testing.twilio import ACCOUNT, CUSTOMER, OWN, OWN_SMS, TEMPLATE, TEMPLATE_TEXT, TOKEN, TwilioSimulator
from adapters.twilio import Twilio
from adapters.twilio.settings import TemplateSettings, TwilioSettings
from config import Duration, Secret
from normalizer.content import Content, Text
from normalizer.outbound import Author, Outbound

PUBLIC = "https://chat.example"
PATIENTLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A machine that is busy is no fault of what is tested."""

ADDRESS = "whatsapp:+48600100200"


def make_settings(simulator: TwilioSimulator | None = None, **changes: Any) -> TwilioSettings:  # noqa: ANN401 - any field
    plain: dict[str, Any] = {
        "account_sid": ACCOUNT,
        "auth_token": Secret(TOKEN),
        "numbers": [OWN, OWN_SMS],
        "templates": {"order_ready": TemplateSettings(content_sid=TEMPLATE, language="en", text=TEMPLATE_TEXT)},
        "timeout": Duration(20_000),
    }
    if simulator is not None:
        plain |= {"api": simulator.url, "media_hosts": ["localhost"]}
    return TwilioSettings(**{**plain, **changes})


@dataclass
class Line:
    """A running channel, what it said, and the provider's side."""

    simulator: TwilioSimulator
    context: FakeContext
    adapter: Twilio
    url: str

    def message(self, content: Content, *, number: int = 1, address: str = ADDRESS) -> Outbound:
        """A message as the router would make it, knowing what the customer's last one left."""
        known = [one.channel_data for one in self.context.accepted if one.address == address]
        return Outbound(
            id=f"c1-{number}",
            conversation="c1",
            channel="test",
            address=address,
            at=self.context.now(),
            content=content,
            author=Author(id="anna", name="Anna"),
            channel_data=known[-1] if known else msgspec.Raw(b"null"),
        )

    async def answer(self, text: str = "Hello", *, number: int = 1, address: str = ADDRESS) -> str:
        """Send a text; give Twilio's id."""
        return (await self.adapter.send(self.message(Text(text=text), number=number, address=address))).native_id


Connect = Callable[..., Any]


@pytest.fixture
async def simulator() -> AsyncIterator[TwilioSimulator]:
    async with TwilioSimulator() as simulator:
        yield simulator
        await simulator.settle()


@pytest.fixture
async def context(simulator: TwilioSimulator) -> AsyncIterator[FakeContext]:
    context = FakeContext(public_url=PUBLIC)
    simulator.now = context.now
    yield context
    await context.close()


@pytest.fixture
async def connect(simulator: TwilioSimulator, context: FakeContext) -> AsyncIterator[Connect]:
    """Start a channel with changed settings."""
    servers: list[TestServer] = []
    adapters: list[Twilio] = []

    async def start(**changes: Any) -> Line:  # noqa: ANN401 - any setting
        adapter = Twilio(make_settings(simulator, **changes), context)
        app, channel = web.Application(), web.Application()
        channel.add_routes(adapter.routes())
        app.add_subapp("/channels/test", channel)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        servers.append(server)
        adapters.append(adapter)
        real = str(server.make_url("")).rstrip("/")
        simulator.reach[PUBLIC] = real
        simulator.webhook = f"{PUBLIC}/channels/test/messages"
        return Line(simulator, context, adapter, f"{real}/channels/test")

    yield start
    await simulator.settle()
    for adapter in adapters:
        await adapter.close()
        logged = repr(context.logged)
        for secret in adapter.secrets():
            assert secret not in logged, "a secret was logged"
    for server in servers:
        await server.close()


@pytest.fixture
async def line(connect: Connect) -> Line:
    made: Line = await connect()
    return made


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


__all__ = ["ADDRESS", "CUSTOMER", "PUBLIC", "Line", "make_settings"]
