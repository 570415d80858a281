"""What every channel must do, written once; each channel brings its cases and its way to sign a request."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

import msgspec
import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from adapters.contract import Adapter, Sent
from adapters.errors import ChannelError, EnvelopeRefused, NotAccepted, SendError, TryLater
from adapters.testing.cases import OK, InboundCase, OutboundCase, outbound
from adapters.testing.context import FakeContext
from adapters.testing.provider import ScriptedProvider
from normalizer.address import split
from normalizer.codec import encode_envelope

Client = TestClient[web.Request, web.Application]

GARBAGE: Sequence[bytes] = (b"", b"\x00\xff", b"null", b"[]", b'"text"', b"{", b"{}", b"[" * 5_000, b'{"a":"\\ud800"}')
REPEATABLE = 503
LOWEST_ERROR = 400


class AdapterContract:
    """Derive a test class from it, and give it :meth:`make` and the cases; about 40 lines for a channel."""

    inbound: ClassVar[Sequence[InboundCase]] = ()
    outbound: ClassVar[Sequence[OutboundCase]] = ()
    address: ClassVar[str]
    """An address of the channel, to send to."""

    def make(self, context: FakeContext, provider: ScriptedProvider) -> Adapter:
        """Make the adapter, with the provider's ``url`` in its settings."""
        raise NotImplementedError

    def sign(self, case: InboundCase) -> dict[str, str]:
        """Give the headers that make a request of the provider authentic."""
        del case
        return {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make one test of each case."""
        for name, cases in (("in_case", self.inbound), ("out_case", self.outbound)):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, cases, ids=[case.label for case in cases])

    # --- fixtures ---

    @pytest.fixture
    async def provider(self) -> AsyncIterator[ScriptedProvider]:
        """The provider; it must have been asked exactly what the test expects."""
        async with ScriptedProvider() as provider:
            yield provider
        assert not provider.unexpected, f"requests that no test expects: {provider.unexpected}"
        assert not provider.left, f"answers that nobody asked for: {provider.left}"

    @pytest.fixture
    async def context(self) -> AsyncIterator[FakeContext]:
        """The context."""
        context = FakeContext()
        yield context
        await context.close()

    @pytest.fixture
    async def adapter(self, context: FakeContext, provider: ScriptedProvider) -> AsyncIterator[Adapter]:
        """The adapter. Whatever happened, its secrets must not have been logged."""
        adapter = self.make(context, provider)
        yield adapter
        async with asyncio.timeout(5):
            await adapter.close()
        logged = repr(context.logged)
        for secret in adapter.secrets():
            assert secret not in logged, "a secret was logged"
            assert secret not in repr(adapter.settings), "a secret shows in the settings"

    @pytest.fixture
    async def client(self, adapter: Adapter) -> AsyncIterator[Client]:
        """Who posts to the adapter's routes."""
        app = web.Application()
        app.router.add_routes(adapter.routes())
        async with TestClient(TestServer(app, host="127.0.0.1")) as client:
            yield client

    # --- in ---

    async def test_a_request_gives_exactly_what_it_says(
        self, in_case: InboundCase, client: Client, context: FakeContext
    ) -> None:
        """Envelopes and receipts are compared whole."""
        response, text = await self._post(client, in_case)
        assert response.status == in_case.status, text
        assert in_case.error in text
        assert context.accepted == list(in_case.envelopes)
        assert context.receipts == list(in_case.receipts)

    async def test_an_envelope_is_one_that_the_router_takes(
        self, in_case: InboundCase, client: Client, context: FakeContext, adapter: Adapter
    ) -> None:
        """Each one can be encoded, names its channel, and has an address in its normal form."""
        await self._post(client, in_case)
        for envelope in context.accepted:
            encode_envelope(envelope)
            split(envelope.address)
            assert (envelope.channel, envelope.type) == (context.channel, adapter.type)

    async def test_nothing_is_acknowledged_that_is_not_stored(
        self, in_case: InboundCase, client: Client, context: FakeContext
    ) -> None:
        """Promise P1: without the store's word the provider keeps the message."""
        if not in_case.envelopes:
            return
        context.failures.append(NotAccepted("not_stored", "the store does not take it now"))
        response, _ = await self._post(client, in_case)
        assert response.status >= REPEATABLE
        assert context.accepted == []

    async def test_a_repetition_has_the_same_native_id(
        self, in_case: InboundCase, client: Client, context: FakeContext
    ) -> None:
        """Promise P2: it is acknowledged like the first, and can be recognised."""
        if in_case.status != OK:
            return
        first, _ = await self._post(client, in_case)
        before = list(context.accepted)
        second, _ = await self._post(client, in_case)
        assert first.status == second.status == OK
        again = context.accepted[len(before) :]
        assert [(e.address, e.native_id) for e in again] == [(e.address, e.native_id) for e in before]

    async def test_a_refused_envelope_does_not_break_the_channel(
        self, in_case: InboundCase, client: Client, context: FakeContext
    ) -> None:
        """It stands with the dead letters already; the next one is taken."""
        if not in_case.envelopes:
            return
        context.failures.append(EnvelopeRefused("envelope_refused", "too big"))
        await self._post(client, in_case)
        response, _ = await self._post(client, in_case)
        assert response.status == OK
        assert len(context.accepted) == len(in_case.envelopes)

    async def test_an_unsigned_request_is_refused(
        self, in_case: InboundCase, client: Client, context: FakeContext
    ) -> None:
        """Nobody else speaks for the provider."""
        if not in_case.signed or not self.sign(in_case):
            return
        response, _ = await self._post(client, in_case, signed=False)
        assert LOWEST_ERROR <= response.status < REPEATABLE
        assert context.accepted == []
        assert context.receipts == []

    @pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
    async def test_garbage_is_refused_and_nothing_else(
        self, body: bytes, client: Client, context: FakeContext, adapter: Adapter
    ) -> None:
        """Signed nonsense (a provider's new release) is an answer of 4xx or a dead letter, never a crash."""
        for route in adapter.routes():
            case = InboundCase(label="garbage", path=route.path, body=body)
            response, text = await self._post(client, case, method=route.method)
            assert response.status < REPEATABLE - 3, text
        assert context.accepted == []
        assert context.receipts == []

    # --- out ---

    async def test_an_outcome_is_told_as_it_was(
        self, out_case: OutboundCase, adapter: Adapter, provider: ScriptedProvider, context: FakeContext
    ) -> None:
        """What the provider does becomes exactly one of the outcomes that the delivery policy knows."""
        provider.will(*out_case.answers)
        outcome = await self._send(adapter, out_case, context)
        if out_case.error is None:
            assert outcome == Sent(native_id=out_case.native_id)
        else:
            assert type(outcome) is out_case.error, repr(outcome)
            self._check_error(outcome, out_case)
        assert out_case.request in (provider.requests[0].body if provider.requests else b"")

    async def test_what_cannot_be_sent_says_why(
        self, out_case: OutboundCase, adapter: Adapter, provider: ScriptedProvider, context: FakeContext
    ) -> None:
        """A sentence for the operator, a stable code for programs, no secret in either."""
        provider.will(*out_case.answers)
        outcome = await self._send(adapter, out_case, context)
        if isinstance(outcome, SendError):
            assert outcome.code.isascii()
            assert " " not in outcome.code
            assert " " in outcome.message
            assert not any(secret in outcome.message for secret in adapter.secrets())

    # --- the whole ---

    async def test_it_declares_what_it_is(self, adapter: Adapter) -> None:
        """The YAML's word, the settings' tag and the class agree."""
        assert adapter.Settings.__struct_config__.tag == adapter.type
        assert adapter.Settings.__struct_config__.forbid_unknown_fields
        assert adapter.delivery in ("worker", "lines")
        assert msgspec.json.encode(adapter.capabilities)

    async def test_closing_twice_does_no_harm(self, adapter: Adapter) -> None:
        """The program closes it whatever happened before."""
        await adapter.close()
        await adapter.close()

    # --- steps ---

    async def _post(
        self, client: Client, case: InboundCase, *, signed: bool = True, method: str = "POST"
    ) -> tuple[ClientResponse, str]:
        headers = {**(self.sign(case) if signed and case.signed else {}), **case.headers}
        async with client.request(method, case.path, data=case.body, headers=headers) as response:
            return response, await response.text()

    async def _send(self, adapter: Adapter, case: OutboundCase, context: FakeContext) -> Sent | ChannelError:
        message = outbound(self.address, context.channel, case.content, at=context.now())
        try:
            async with asyncio.timeout(adapter.pace.call_timeout / 1_000):
                return await adapter.send(message)
        except ChannelError as exc:
            return exc

    def _check_error(self, outcome: Sent | ChannelError, case: OutboundCase) -> None:
        assert isinstance(outcome, SendError)
        assert outcome.code == case.code
        if case.retry_after is not None:
            assert isinstance(outcome, TryLater)
            assert outcome.retry_after == case.retry_after
