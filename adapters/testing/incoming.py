"""Contract tests for incoming messages (promises P1, P2, P3)."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from adapters.errors import EnvelopeRefused, NotAccepted
from adapters.testing.cases import InboundCase, Post, Told
from adapters.testing.context import FakeContext
from adapters.testing.hooks import AGAIN_FROM, DELIVERED_WITHIN, Hooks
from adapters.testing.rig import P, Rig
from normalizer.address import split
from normalizer.codec import encode_envelope
from normalizer.envelope import Envelope

ALBUM = 10
GRACE = 0.3
"""Seconds in which an adapter that acknowledges too early is given the opportunity to do so."""

BEHIND = 99
"""The number of the message that is sent behind a repetition."""

FED = 3
LATER = 3_600_000
REFUSED_FROM = 400
LONGEST_SHOWN = 300


class InboundProofs(Hooks[P]):
    """The tests of what comes in."""

    async def test_an_event_gives_exactly_what_it_says(self, in_case: InboundCase, rig: Rig[P]) -> None:
        """Envelopes, receipts and dead letters are compared whole."""
        told = await self._deliver(rig, in_case)
        assert told is in_case.told, f"the provider was told {told}, not {in_case.told}: {rig.answers}"
        _compare("envelopes", _anonymous(rig.context.accepted), _anonymous(in_case.envelopes))
        _compare("receipts", rig.context.receipts, in_case.receipts)
        _compare("dead letters", [letter.reason for letter in rig.context.dead_letters], in_case.dead)
        if isinstance(in_case.event, Post):
            answer, right = rig.answers[-1], in_case.event
            assert answer.status == right.status, f"the answer was {answer}, its status should be {right.status}"
            assert right.answer in answer.text, f"{right.answer!r} should stand in the answer {answer}"

    async def test_an_envelope_is_one_that_the_router_takes(self, in_case: InboundCase, rig: Rig[P]) -> None:
        """Each one can be encoded, names its channel and its type, and has an address in its normal form."""
        await self._deliver(rig, in_case)
        for envelope in rig.context.accepted:
            _check_envelope(envelope, rig)

    async def test_nothing_is_acknowledged_before_it_is_stored(self, rig: Rig[P]) -> None:
        """Promise P1: until the store has answered, the provider keeps the message."""
        if not (self.receives and self.acknowledges):
            return
        rig.context.store.clear()
        delivery = asyncio.create_task(self.deliver(rig, self.event(1)))
        try:
            await self._offered(rig, delivery)
            await asyncio.wait([delivery], timeout=GRACE)
            assert not delivery.done(), (
                "the provider was told to forget a message that is not stored yet: acknowledge it after "
                "context.accept() has returned"
            )
        finally:
            rig.context.store.set()
            await asyncio.wait([delivery], timeout=DELIVERED_WITHIN)
            delivery.cancel()

    async def test_what_was_not_stored_comes_again_and_is_taken(self, rig: Rig[P]) -> None:
        """Promise P1: a refusal of the store costs time, never a message."""
        if not self.receives:
            return
        rig.context.failures.append(NotAccepted("not_stored", "the store does not take it now"))
        told = await self._tell(rig, self.event(1))
        if told is Told.AGAIN:
            assert not rig.context.accepted, "the message was stored, and the provider is to deliver it again"
            told = await self._tell(rig, self.event(1))
        assert told is Told.TAKEN, f"a message that the store had refused once was {told} the second time"
        await self._stored(rig, 1, "it was acknowledged although context.accept() raised NotAccepted, and is lost")
        assert len({envelope.native_id for envelope in rig.context.offered}) == 1, "a repetition had another native_id"

    async def test_what_was_under_way_in_a_crash_comes_again(self, rig: Rig[P]) -> None:
        """Promise P6: a reader notes its place when everything before it is stored, and not earlier."""
        comes_again = self.acknowledges or self.found_again
        if not (self.receives and comes_again) or isinstance(self.event(1), Post):
            return
        rig.context.store.clear()
        delivery = asyncio.create_task(self.deliver(rig, self.event(1)))
        await self._offered(rig, delivery)
        await rig.replace_adapter(self.make(rig.context, rig.peer))
        rig.context.store.set()
        await asyncio.wait([delivery], timeout=DELIVERED_WITHIN)
        delivery.cancel()
        if not self.acknowledges:
            await self._until(rig, lambda: bool(rig.context.accepted))
        assert rig.context.accepted, "a message that was not stored yet when its reader died did not come again"
        assert len({envelope.native_id for envelope in rig.context.offered}) == 1, "after the crash it had another id"

    async def test_a_feed_that_breaks_off_is_read_on(self, rig: Rig[P]) -> None:
        """What comes over the next connection is taken; half an event is none; what is told again has the same id."""
        if not self.receives or self.acknowledges:
            return
        await self._tell(rig, self.event(1))
        await self._stored(rig, 1, "the first event of a feed was not stored")
        await self.cut(rig, self.event(2))
        await rig.go_on()
        await self.ready(rig)
        await self._tell(rig, self.event(2))
        await self._tell(rig, self.event(3))
        await self._until(rig, lambda: len(set(_keys(rig.context.accepted))) >= FED)
        found = set(_keys(rig.context.accepted))
        assert len(found) == FED, f"of {FED} events, one of them cut in half, these native ids came: {sorted(found)}"

    async def test_a_repetition_has_the_same_native_id(self, in_case: InboundCase, rig: Rig[P]) -> None:
        """Promise P2: it is acknowledged like the first, and can be recognised, hours later as well."""
        if in_case.told is not Told.TAKEN or not in_case.envelopes:
            return
        await self._deliver(rig, in_case)
        first = _keys(rig.context.accepted)
        if not (isinstance(in_case.event, Post) and not in_case.event.signed):
            rig.context.time += LATER
        told = await self._tell(rig, in_case.event)
        assert told is Told.TAKEN, f"a repetition was {told}: the provider would deliver it for ever"
        again = await self._repeated(rig, first)
        assert again in ([], first), f"the same event had the native ids {first} and then {again}"

    async def test_an_album_by_ten_at_once(self, rig: Rig[P]) -> None:
        """Promise P3: all are taken, each as a message of its own, all from one address."""
        if not self.receives:
            return
        told = await asyncio.gather(*(self._tell(rig, self.event(number)) for number in range(1, ALBUM + 1)))
        assert set(told) == {Told.TAKEN}, f"of ten at once some were not taken: {told}"
        await self._stored(rig, ALBUM, "of ten messages at once some are lost")
        found = {(envelope.address, envelope.native_id) for envelope in rig.context.accepted}
        assert len(found) == ALBUM, f"ten messages have {len(found)} native ids: {sorted(found)}"
        addresses = {address for address, _ in found}
        assert addresses == {self.address}, f"what {self.address} sent seems to come from {sorted(addresses)}"

    async def test_any_order_and_repetitions_give_the_same_native_ids(self, rig: Rig[P]) -> None:
        """A provider that retries delivers out of order, and parts twice."""
        if not self.receives:
            return
        order = [number for number in range(1, 6) for _ in range(2)]
        random.Random(7).shuffle(order)  # noqa: S311 - any order will do, the same in each run
        for number in order:
            told = await self._tell(rig, self.event(number))
            assert told is Told.TAKEN, f"a message out of order, or a second time, was {told}"
        await self._stored(rig, len(set(order)), "some of the messages that came out of order are lost")
        found = set(_keys(rig.context.accepted))
        assert len(found) == len(set(order)), (
            f"{len(set(order))} messages have {len(found)} native ids: {sorted(found)}"
        )

    async def test_damaged_input_does_not_stop_the_next(self, rig: Rig[P]) -> None:
        """A truncated or poisoned event is refused, left out or a dead letter; the one behind it is taken."""
        if not self.receives:
            return
        for bad in self.spoil(self.event(1)):
            told = await self._tell(rig, bad)
            assert told is not Told.AGAIN, f"the provider would deliver this for ever: {_short(bad)} {rig.answers[-1:]}"
        for envelope in rig.context.accepted:
            encode_envelope(envelope)
        before = len(rig.context.accepted)
        assert await self._tell(rig, self.event(2)) is Told.TAKEN, "after damaged input the next event was not taken"
        await self._stored(rig, before + 1, "after damaged input the next event was not stored")

    async def test_a_refused_envelope_does_not_stop_the_next(self, rig: Rig[P]) -> None:
        """It stands with the dead letters already: it is not delivered again, and the next one is taken."""
        if not self.receives:
            return
        rig.context.failures.append(EnvelopeRefused("envelope_refused", "too big"))
        told = await self._tell(rig, self.event(1))
        assert told is not Told.AGAIN, "an envelope that will never be taken would be delivered for ever"
        assert await self._tell(rig, self.event(2)) is Told.TAKEN, "after a refused envelope the next one was not taken"
        await self._stored(rig, 1, "after an envelope that was refused the next one was not stored")

    async def test_a_forged_request_is_refused(self, rig: Rig[P]) -> None:
        """Nobody else speaks for the provider."""
        genuine = self.event(1) if self.receives else None
        if not isinstance(genuine, Post):
            return
        assert self.signs != "nothing", "an event that comes by HTTP must be authentic: give sign(), and check it"
        for what, forged, headers in self._forgeries(rig, genuine):
            answer = await rig.post(forged, headers)
            assert REFUSED_FROM <= answer.status < AGAIN_FROM, f"a request {what} was answered {answer.status}"
        taken = [*rig.context.accepted, *rig.context.receipts]
        assert not taken, f"a forged request has brought in {taken}"
        assert await self._tell(rig, genuine) is Told.TAKEN, "after forged requests a genuine one was not taken"

    # --- steps ---

    async def _tell(self, rig: Rig[P], event: object) -> Told:
        """Deliver within time."""
        delivery = asyncio.create_task(self.deliver(rig, event))
        broken = asyncio.create_task(rig.broken.wait())
        await asyncio.wait([delivery, broken], timeout=DELIVERED_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        broken.cancel()
        if delivery.done():
            return delivery.result()
        delivery.cancel()
        assert not rig.broken.is_set(), f"run() has ended, and the provider still has the event: {_short(event)}"
        raise AssertionError(
            f"{DELIVERED_WITHIN:g} s after its delivery the provider still has the event: {_short(event)}"
        )

    async def _deliver(self, rig: Rig[P], case: InboundCase) -> Told:
        """Deliver a case. A feed never says that it was dealt with: wait for what it must bring, and for no more."""
        context = rig.context
        before = _size(context)
        told = await self._tell(rig, case.event)
        if not self.acknowledges:
            expected = before + len(case.envelopes) + len(case.receipts) + len(case.dead)
            await self._until(rig, lambda: _size(context) >= expected)
            await asyncio.sleep(GRACE)
        return told

    async def _repeated(self, rig: Rig[P], first: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Give what a repetition brought. A feed never says that nothing will come: the message behind it says it."""
        if self.acknowledges:
            return _keys(rig.context.accepted)[len(first) :]
        await self._tell(rig, self.event(BEHIND))
        await self._until(rig, lambda: bool(set(_keys(rig.context.accepted)) - set(first)))
        await asyncio.sleep(GRACE)
        again = _keys(rig.context.accepted)[len(first) :]
        others = [key for key in again if key not in first]
        assert others, "the message behind a repetition was not stored"
        return [key for key in again if key != others[-1]]

    async def _stored(self, rig: Rig[P], count: int, message: str) -> None:
        if not self.acknowledges:
            await self._until(rig, lambda: len(rig.context.accepted) >= count)
        letters = "; ".join(f"{letter.reason}: {letter.detail}" for letter in rig.context.dead_letters)
        assert len(rig.context.accepted) >= count, f"{message} (dead letters: {letters})" if letters else message

    async def _until(self, rig: Rig[P], condition: Callable[[], bool]) -> None:
        """Wait for what a feed brings; what does not come in time is judged by the caller."""
        try:
            async with asyncio.timeout(DELIVERED_WITHIN):
                await rig.context.until(condition)
        except TimeoutError:
            return

    async def _offered(self, rig: Rig[P], delivery: asyncio.Task[Told]) -> None:
        """Wait until the adapter has handed the event to the store, or has been done with it."""
        offered = asyncio.create_task(rig.context.until(lambda: bool(rig.context.offered)))
        signs = [offered, delivery] if self.acknowledges else [offered]
        await asyncio.wait(signs, timeout=DELIVERED_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        offered.cancel()

    def _forgeries(self, rig: Rig[P], genuine: Post) -> Iterable[tuple[str, Post, Mapping[str, str]]]:
        """Give requests that must not be taken for the provider's."""
        headers = self.sign(rig, genuine)
        yield "without a signature", genuine, {}
        yield "with an empty signature", genuine, dict.fromkeys(headers, "")
        yield "with another signature", genuine, {name: _altered(value) for name, value in headers.items()}
        if self.signs == "body":
            other = self.event(2)
            if isinstance(other, Post):
                yield "with the signature of another one", other, headers


def _check_envelope(envelope: Envelope, rig: Rig[P]) -> None:
    encode_envelope(envelope)
    split(envelope.address)
    named = (envelope.channel, envelope.type)
    right = (rig.context.channel, rig.adapter.type)
    assert named == right, f"the envelope is of the channel and type {named}, not {right}"


def _compare(what: str, found: Sequence[object], expected: Sequence[object]) -> None:
    shown = [f"{what} differ from what the case says; found:", *map(repr, found), "expected:", *map(repr, expected)]
    assert list(found) == list(expected), "\n  ".join(shown)


def _anonymous(envelopes: Sequence[Envelope]) -> list[Envelope]:
    return [replace(envelope, id="") for envelope in envelopes]


def _keys(envelopes: Sequence[Envelope]) -> list[tuple[str, str]]:
    return [(envelope.address, envelope.native_id) for envelope in envelopes]


def _size(context: FakeContext) -> int:
    return len(context.accepted) + len(context.receipts) + len(context.dead_letters)


def _altered(value: str) -> str:
    """Give a header of the same form with other content: each letter and digit of its second half is another one."""
    half = len(value) // 2
    return value[:half] + "".join("a" if char.isdigit() else "0" if char.isalnum() else char for char in value[half:])


def _short(event: object) -> str:
    return repr(event)[:LONGEST_SHOWN]
