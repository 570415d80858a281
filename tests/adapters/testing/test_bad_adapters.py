"""Adapters that are wrong on purpose: the kit must fail each of them, and say what is wrong.

Each is :class:`Bell`, or the worked example of docs/adapters.md, with one fault.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import aiohttp
import msgspec
import pytest
import structlog
from aiohttp import web
from msgspec.structs import replace

from adapters.contract import Adapter, Finding, Sent
from adapters.errors import EnvelopeRefused, NotAccepted, OutcomeUnknown, SendError, TryLater
from adapters.pace import Pace, Rate
from adapters.testing import AdapterContract, FakeContext, Limit, Trouble
from adapters.testing.rig import rigged
from config import Secret
from normalizer.content import Choice, Content, Text
from normalizer.envelope import Envelope
from normalizer.outbound import Outbound
from tests.adapters.testing.bell import KEY, Bell, BellContract, Ring, contract_of

Contract = AdapterContract[Any]


class TestBell(BellContract):
    """The model itself does everything right."""


async def judge(contract: Contract, test: str, *args: object) -> str:
    """Run one test of the kit by hand; give what it complains of, empty when it is content."""
    try:
        async with rigged(contract.make, contract.peer()) as rig:
            await contract.ready(rig)
            await getattr(contract, f"test_{test}")(*args, rig=rig)
    except AssertionError as exc:
        return str(exc)
    return ""


@pytest.fixture
def polling(pigeon: ModuleType, proof: ModuleType) -> Callable[..., Contract]:
    """Make the contract of a Pigeon Post channel with other methods."""

    def make(**methods: object) -> Contract:
        cls = type("Broken", (pigeon.Pigeon,), methods)

        def make_adapter(_: object, context: FakeContext, peer: Any) -> Adapter:  # noqa: ANN401  # as in the kit
            adapter: Adapter = cls(pigeon.PigeonSettings(token=Secret(KEY), url=peer.url), context)
            adapter.pace = Pace(call_timeout=300, channel=Rate(per_second=10))
            return adapter

        return type("Judged", (proof.TestPigeon,), {"make": make_adapter})()

    return make


# --- what comes in ---


class Hasty(Bell):
    """Acknowledges at once and stores in the background."""

    task: asyncio.Task[None] | None = None

    async def store(self, envelope: Envelope) -> None:
        self.task = asyncio.create_task(super().store(envelope))

    async def close(self) -> None:
        if self.task is not None:
            await asyncio.gather(self.task, return_exceptions=True)


class Forgetful(Bell):
    """Says thank you for what the store has refused."""

    async def store(self, envelope: Envelope) -> None:
        with contextlib.suppress(NotAccepted):
            await super().store(envelope)


class Puzzled(Bell):
    """Reads another message than the one that comes."""

    async def store(self, envelope: Envelope) -> None:
        await self.context.dead("unreadable", b"", f"no such field in {envelope.native_id}")


class Insisting(Bell):
    """Wants again what the store has refused for good."""

    async def store(self, envelope: Envelope) -> None:
        try:
            await super().store(envelope)
        except EnvelopeRefused as exc:
            raise NotAccepted(exc.code, exc.message) from exc


class Numbering(Bell):
    """Makes up native ids."""

    def envelope(self, ring: Ring) -> Envelope:
        return replace(super().envelope(ring), native_id=self.context.new_id())


class Dating(Bell):
    """Has native ids that follow from the time."""

    def envelope(self, ring: Ring) -> Envelope:
        return replace(super().envelope(ring), native_id=f"{ring.id}@{self.context.now()}")


class Overwhelmed(Bell):
    """Leaves out what comes while it is busy."""

    busy = False

    async def store(self, envelope: Envelope) -> None:
        if self.busy:
            return
        self.busy = True
        await asyncio.sleep(0.05)
        await super().store(envelope)
        self.busy = False


class Merging(Bell):
    """Takes all messages of a customer for one."""

    def envelope(self, ring: Ring) -> Envelope:
        return replace(super().envelope(ring), native_id=ring.sender)


class Mistaken(Bell):
    """Names another customer."""

    def envelope(self, ring: Ring) -> Envelope:
        return replace(super().envelope(ring), address="bell:somebody")


class Credulous(Bell):
    """Takes what anybody sends."""

    def authentic(self, request: web.Request, body: bytes) -> bool:
        del request, body
        return True


class Careless(Bell):
    """Believes any signature."""

    def authentic(self, request: web.Request, body: bytes) -> bool:
        del body
        return bool(request.headers.get("Key"))


class Fragile(Bell):
    """Fails on what it does not expect."""

    async def _rings(self, request: web.Request) -> web.Response:
        msgspec.json.decode(await request.read())["id"].upper()
        return await super()._rings(request)


@pytest.mark.parametrize(
    ("cls", "test", "complaint"),
    [
        (Hasty, "nothing_is_acknowledged_before_it_is_stored", "told to forget a message that is not stored yet"),
        (Hasty, "what_was_not_stored_comes_again_and_is_taken", "and is lost"),
        (Forgetful, "what_was_not_stored_comes_again_and_is_taken", "and is lost"),
        (
            Puzzled,
            "what_was_not_stored_comes_again_and_is_taken",
            "and is lost (dead letters: unreadable: no such field",
        ),
        (Insisting, "a_refused_envelope_does_not_stop_the_next", "delivered for ever"),
        (Numbering, "any_order_and_repetitions_give_the_same_native_ids", "5 messages have 10 native ids"),
        (Numbering, "what_was_not_stored_comes_again_and_is_taken", "another native_id"),
        (Overwhelmed, "an_album_by_ten_at_once", "some are lost"),
        (Merging, "an_album_by_ten_at_once", "ten messages have 1 native ids"),
        (Mistaken, "an_album_by_ten_at_once", "bell:somebody"),
        (Credulous, "a_forged_request_is_refused", "a request without a signature was answered 200"),
        (Careless, "a_forged_request_is_refused", "a request with another signature was answered 200"),
        (Fragile, "damaged_input_does_not_stop_the_next", "would deliver this for ever"),
    ],
)
async def test_a_bad_receiver_is_found(cls: type[Bell], test: str, complaint: str) -> None:
    assert complaint in await judge(contract_of(cls), test)


@pytest.mark.parametrize("cls", [Numbering, Dating])
async def test_native_ids_that_change_are_found(cls: type[Bell]) -> None:
    found = await judge(contract_of(cls), "a_repetition_has_the_same_native_id", BellContract.inbound[0])
    assert "the same event had the native ids" in found


async def test_an_event_that_gives_something_else_is_found() -> None:
    case = replace(BellContract.inbound[0], envelopes=())
    found = await judge(contract_of(Bell), "an_event_gives_exactly_what_it_says", case)
    assert "envelopes differ from what the case says" in found


async def run_ahead(self: Any) -> None:  # noqa: ANN401  # as in the kit
    """Asks for the next letters before these are stored."""
    place = "0"
    while True:
        async with self._get(f"/letters?after={place}") as answer:
            batch = msgspec.json.decode(await answer.read())
        place = batch["next"]
        for said in batch["letters"]:
            try:
                await self._take(said)
            except NotAccepted:
                continue


async def note_early(self: Any) -> None:  # noqa: ANN401  # as in the kit
    """Notes its place before the letters are stored."""
    place = (await self.context.memory.load("place") or b"0").decode()
    while True:
        async with self._get(f"/letters?after={place}") as answer:
            batch = msgspec.json.decode(await answer.read())
        place = batch["next"]
        await self.context.memory.save("place", place.encode())
        for said in batch["letters"]:
            await self._take(said)


async def give_up(self: Any, said: Any) -> None:  # noqa: ANN401  # as in the kit
    """Ends with the first letter that is none."""
    if not isinstance(said, dict) or not isinstance(said.get("number"), int):
        raise TypeError("no letter")
    self.context.accepted.append(said)


async def swallow_cancellation(self: Any) -> None:  # noqa: ANN401  # as in the kit
    """Reads on, whatever is said."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if self.context.counts["stop"] > 0:
                return
            self.context.count("stop")


async def hang(self: Any) -> None:  # noqa: ANN401  # as in the kit
    """Waits for a goodbye that never comes."""
    del self
    await asyncio.sleep(3600)


async def leave_a_task(self: Any) -> None:  # noqa: ANN401  # as in the kit
    """Starts what nobody ends."""
    self.task = asyncio.create_task(asyncio.sleep(3600), name="forgotten")
    await asyncio.sleep(3600)


@pytest.mark.parametrize(
    ("methods", "test", "complaint"),
    [
        ({"run": run_ahead}, "what_was_not_stored_comes_again_and_is_taken", "and is lost"),
        ({"run": note_early}, "what_was_under_way_in_a_crash_comes_again", "did not come again"),
        ({"_take": give_up}, "damaged_input_does_not_stop_the_next", "run() has ended"),
        ({"run": swallow_cancellation}, "it_ends_in_time_while_the_provider_hangs", "run() after it was cancelled"),
        ({"close": hang}, "closing_twice_does_no_harm", "close()"),
        ({"run": leave_a_task}, "it_ends_in_time_while_the_provider_hangs", "forgotten"),
    ],
    ids=["runs ahead", "notes early", "gives up", "swallows its cancellation", "hangs on close", "leaves a task"],
)
async def test_a_bad_reader_is_found(
    polling: Callable[..., Contract], methods: Mapping[str, object], test: str, complaint: str
) -> None:
    assert complaint in await asyncio.wait_for(judge(polling(**methods), test), 50)


# --- what goes out ---


class Optimist(Bell):
    """Takes every answer for a yes."""

    async def send(self, outbound: Outbound) -> Sent:
        try:
            return await super().send(outbound)
        except TryLater:
            return Sent()


class Stubborn(Bell):
    """Tries again by itself when the answer was lost."""

    async def send(self, outbound: Outbound) -> Sent:
        try:
            return await super().send(outbound)
        except OutcomeUnknown:
            return await super().send(outbound)


class Pretending(Bell):
    """Tries again, and says truly that nobody knows."""

    async def send(self, outbound: Outbound) -> Sent:
        try:
            return await super().send(outbound)
        except OutcomeUnknown:
            await super().send(outbound)
            raise


class Naive(Bell):
    """Believes that no answer means not sent."""

    async def send(self, outbound: Outbound) -> Sent:
        try:
            async with asyncio.timeout(0.1):
                return await super().send(outbound)
        except (OutcomeUnknown, TimeoutError) as exc:
            raise TryLater("no_answer", "The tower does not answer.") from exc


class Impatient(Bell):
    """Knows better how long to wait."""

    def error(self, answer: aiohttp.ClientResponse) -> SendError:
        error = super().error(answer)
        if isinstance(error, TryLater):
            error.retry_after = 1
        return error


class Silent(Bell):
    """Has no words for the operator."""

    def error(self, answer: aiohttp.ClientResponse) -> SendError:
        return TryLater(f"http_{answer.status}", "503")


class Twice(Bell):
    """Makes two requests of one message."""

    async def send(self, outbound: Outbound) -> Sent:
        await super().send(outbound)
        return await super().send(outbound)


class Seeker(Bell):
    """Looks for a message by sending it."""

    async def find(self, outbound: Outbound) -> Sent | None:
        return await super().send(outbound)


class Denying(Bell):
    """Says that what was sent was not."""

    async def find(self, outbound: Outbound) -> Sent | None:
        raise TryLater("not_found", f"The tower has not got {outbound.id}.")


@pytest.mark.parametrize(
    ("cls", "trouble", "complaint"),
    [
        (Optimist, Trouble.PAUSE, "that is RateLimited, not Sent("),
        (Optimist, Trouble.IS_DOWN, "that is TryLater or NotReachable, not Sent("),
        (Stubborn, Trouble.CUTS, "that is OutcomeUnknown, not Sent("),
        (Pretending, Trouble.DROPS_THE_ANSWER, "the adapter itself has tried again"),
        (Naive, Trouble.HANGS, "that is OutcomeUnknown or TimeoutError, not TryLater("),
        (Naive, Trouble.DROPS_THE_ANSWER, "that is OutcomeUnknown, not TryLater("),
        (Impatient, Trouble.PAUSE, "for 7 s"),
        (Silent, Trouble.FAILS, "write a sentence"),
    ],
)
async def test_a_bad_sender_is_found(cls: type[Bell], trouble: Trouble, complaint: str) -> None:
    assert complaint in await judge(contract_of(cls), "a_trouble_has_the_right_outcome", trouble)


@pytest.mark.parametrize(
    ("cls", "test", "complaint"),
    [
        (Twice, "the_provider_is_asked_once_for_each_message", "10 messages were 20 sends"),
        (Seeker, "asking_for_an_outcome_sends_nothing", "find() has sent the message again"),
        (Denying, "asking_for_an_outcome_sends_nothing", "which the provider has sent"),
    ],
)
async def test_requests_too_many_are_found(cls: type[Bell], test: str, complaint: str) -> None:
    assert complaint in await judge(contract_of(cls), test)


async def test_a_trouble_that_nobody_has_thought_of_is_found() -> None:
    complaint = await judge(contract_of(Bell, troubles={}), "a_trouble_has_the_right_outcome", Trouble.PAUSE)
    assert "the class must say how its provider asks for a pause of 7 s" in complaint


async def test_a_pace_above_the_provider_s_limit_is_found() -> None:
    contract = contract_of(Bell, limits=(Limit(calls=2, seconds=1),))
    assert "the provider takes 2" in await judge(contract, "the_providers_limits_are_kept")


class Talkative(Bell):
    """Adds a signature that its limits do not provide for."""

    def body(self, address: str, content: Content) -> dict[str, object]:
        plain = super().body(address, content)
        return {**plain, "text": f"{plain['text']}\n-- \nYour team of the shop"}


class Cutting(Bell):
    """Cuts what is too long for its taste."""

    def body(self, address: str, content: Content) -> dict[str, object]:
        plain = super().body(address, content)
        return {**plain, "text": str(plain["text"])[:50]}


class Lavish(Bell):
    """Adds a button of its own to each question."""

    def body(self, address: str, content: Content) -> dict[str, object]:
        plain = super().body(address, content)
        return {**plain, "buttons": ["Help"] * 4 if isinstance(content, Choice) else []}


@pytest.mark.parametrize(
    ("cls", "complaint"), [(Talkative, "a text of"), (Cutting, "the customer got"), (Lavish, "declared are 3")]
)
def test_more_or_less_than_declared_is_found(cls: type[Bell], complaint: str) -> None:
    """Hypothesis draws; pytest-asyncio, which lets its examples run, does so for tests that it has collected."""
    test: Any = contract_of(cls).test_nothing_is_more_than_the_channel_declares
    original = test.hypothesis.inner_test
    test.hypothesis.inner_test = lambda *args, **kwargs: asyncio.run(original(*args, **kwargs))
    try:
        with pytest.raises(AssertionError, match=complaint):
            test()
    finally:
        test.hypothesis.inner_test = original


# --- the whole ---


class Chatty(Bell):
    """Logs its secret."""

    async def check(self) -> list[Finding]:
        self.context.log.warning("connecting", secret=self.key)
        return []


class ChattyLibrary(Bell):
    """Has a library that logs its secret."""

    async def check(self) -> list[Finding]:
        logging.getLogger("some.library").debug("connecting with %s", self.key)
        return []


class ChattyElsewhere(Bell):
    """Logs its secret past its context."""

    async def check(self) -> list[Finding]:
        structlog.get_logger("mine").info("connecting", url=f"https://x.example/{self.key}")
        return []


class Gossip(Bell):
    """Logs what customers write."""

    async def store(self, envelope: Envelope) -> None:
        self.context.log.info("taken", content=envelope.content)
        await super().store(envelope)


async def test_a_text_in_the_log_is_found() -> None:
    found = await judge(contract_of(Gossip), "an_album_by_ten_at_once")
    assert "the text of a message stands in a log line above debug" in found


class Revealing(Bell):
    """Raises what holds its secret."""

    async def check(self) -> list[Finding]:
        return [Finding(what=f"{self.key} is right", ok=True)]


class Traveller(Bell):
    """Connects to another machine."""

    async def check(self) -> list[Finding]:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with aiohttp.ClientSession() as http:
                await http.get("http://192.0.2.1/", timeout=aiohttp.ClientTimeout(1))
        return []


class Resolver(Bell):
    """Looks up the name of another machine."""

    async def check(self) -> list[Finding]:
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().getaddrinfo("api.provider.example", 443)
        return []


class Sender(Bell):
    """Checks by sending."""

    async def check(self) -> list[Finding]:
        await self.context.http.post(f"{self.settings.url}/rings", json=self.body("bell:ola", Text(text="test")))
        return []


class Puzzling(Bell):
    """Finds something wrong and does not say what to do."""

    async def check(self) -> list[Finding]:
        return [Finding(what="the receiver is wrong", ok=False)]


@pytest.mark.parametrize(
    ("cls", "complaint"),
    [
        (Chatty, "a secret stands in a log line"),
        (ChattyLibrary, "a secret stands in a log line: some.library"),
        (ChattyElsewhere, "a secret stands in a log line"),
        (Revealing, "a finding tells a secret"),
        (Traveller, "reached for other machines: ['192.0.2.1']"),
        (Resolver, "reached for other machines: ['api.provider.example']"),
        (Sender, "check() has sent a message"),
        (Puzzling, "nobody is told what to do"),
    ],
)
async def test_a_bad_check_is_found(cls: type[Bell], complaint: str) -> None:
    found = await judge(contract_of(cls), "a_check_looks_and_changes_nothing")
    assert complaint in found
    assert KEY not in found


class Leaky(Bell):
    """Raises what holds its secret."""

    async def send(self, outbound: Outbound) -> Sent:
        del outbound
        raise OutcomeUnknown("failed", f"no answer from https://provider.example/{self.key}/send")


async def test_a_secret_in_an_exception_is_found() -> None:
    found = await judge(contract_of(Leaky), "a_trouble_has_the_right_outcome", Trouble.HANGS)
    assert "a secret stands in an exception of send or find" in found
    assert KEY not in found


class Endless(Bell):
    """Cannot be interrupted while it sends."""

    async def send(self, outbound: Outbound) -> Sent:
        for _ in range(2):
            try:
                await asyncio.sleep(3)
            except asyncio.CancelledError:
                await asyncio.sleep(1.5)
        raise EnvelopeRefused("late", outbound.id)


async def test_a_send_that_cannot_be_cancelled_is_found() -> None:
    assert "never catch CancelledError" in await judge(contract_of(Endless), "it_ends_in_time_while_the_provider_hangs")


class Open(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="bell", tag_field="type"):
    key: str
    url: str = ""


class Printing(Bell):
    """Has settings that show their secret, and say nothing."""

    Settings = Open  # type: ignore[assignment]  # on purpose

    @property
    def key(self) -> str:
        return str(self.settings.key)


async def test_an_open_secret_in_the_settings_is_found() -> None:
    def make(_: object, context: FakeContext, peer: Any) -> Adapter:  # noqa: ANN401  # as in the kit
        return Printing(Open(key=KEY, url=peer.url), context)

    contract = contract_of(Printing, make=make)
    assert "a secret stands in the settings, printed" in await judge(contract, "closing_twice_does_no_harm")
    assert "settings without a description: ['key', 'url']" in await judge(contract, "it_declares_what_it_is")
