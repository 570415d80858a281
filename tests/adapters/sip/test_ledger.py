"""The live calls, and what is left of them after a crash."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.errors import EnvelopeRefused, NotAccepted
from adapters.sip.call import LOST, Event, Place
from adapters.sip.ledger import REPEAT_WITHIN, Ledger
from adapters.testing import FakeContext
from normalizer.content import Call

PLACE = Place("phone", "PL")


@pytest.fixture
async def context() -> AsyncIterator[FakeContext]:
    context = FakeContext("phone")
    yield context
    await context.close()


def event(kind: str, context: FakeContext, call: str = "c-1", **changes: object) -> Event:
    plain = {"call": call, "kind": kind, "at": context.now(), "seq": "1", "customer": "+48600100200"}
    return Event(**{**plain, **changes})  # type: ignore[arg-type] # the fields by name


def story(context: FakeContext) -> list[str]:
    return [envelope.native_id for envelope in context.accepted]


async def test_a_call_goes_on_with_the_next_reader(context: FakeContext) -> None:
    first = Ledger(context, PLACE)
    await first.take([event("initiated", context), event("answered", context)])
    second = Ledger(context, PLACE)
    await second.load()
    context.time += 5_000
    await second.take([event("ended", context)])
    assert story(context) == ["c-1/initiated", "c-1/answered", "c-1/answered", "c-1/ended"]
    end = context.accepted[-1].content
    assert isinstance(end, Call)
    assert end.duration == 5_000


async def test_what_was_noted_and_not_accepted_is_accepted_by_the_next_reader(context: FakeContext) -> None:
    first = Ledger(context, PLACE)
    context.failures.append(RuntimeError("killed in the middle"))
    with pytest.raises(RuntimeError):
        await first.take([event("initiated", context)])
    assert story(context) == []
    second = Ledger(context, PLACE)
    await second.load()
    assert story(context) == ["c-1/initiated"]
    assert await second.settle(["c-1"], {}) == 1
    assert story(context)[-1] == "c-1/ended"


async def test_an_end_that_was_accepted_is_not_repeated_for_ever(context: FakeContext) -> None:
    await Ledger(context, PLACE).take([event("initiated", context), event("ended", context)])
    again = Ledger(context, PLACE)
    await again.load()
    assert story(context) == ["c-1/initiated", "c-1/ended"]
    assert again.calls == {}


async def test_what_is_too_old_to_be_recognised_is_not_repeated(context: FakeContext) -> None:
    await Ledger(context, PLACE).take([event("initiated", context)])
    context.time += REPEAT_WITHIN
    again = Ledger(context, PLACE)
    await again.load()
    assert story(context) == ["c-1/initiated"]
    assert list(again.calls) == ["c-1"]


async def test_a_telephone_system_whose_clock_is_years_behind_loses_nothing(context: FakeContext) -> None:
    first = Ledger(context, PLACE)
    await first.take([event("initiated", context, at=1_000)])
    context.time += REPEAT_WITHIN
    context.failures.append(RuntimeError("killed in the middle"))
    with pytest.raises(RuntimeError):
        await first.take([event("answered", context, at=2_000)])
    await Ledger(context, PLACE).load()
    assert story(context) == ["c-1/initiated", "c-1/answered"]


async def test_calls_that_are_gone_are_closed_and_new_ones_begun(context: FakeContext) -> None:
    ledger = Ledger(context, PLACE)
    await ledger.take([event("initiated", context), event("initiated", context, "c-2")])
    live = {"c-2": [event("answered", context, "c-2")], "c-3": [event("initiated", context, "c-3")]}
    assert await ledger.settle(["c-1", "c-2"], live) == 1
    assert story(context)[2:] == ["c-2/answered", "c-3/initiated", "c-1/ended"]
    end = context.accepted[-1].content
    assert isinstance(end, Call)
    assert end.reason == LOST


async def test_a_call_that_began_after_the_question_is_not_closed(context: FakeContext) -> None:
    ledger = Ledger(context, PLACE)
    await ledger.take([event("initiated", context)])
    assert await ledger.settle([], {}) == 0
    assert list(ledger.calls) == ["c-1"]


async def test_an_event_is_held_until_it_is_stored(context: FakeContext) -> None:
    context.failures.append(NotAccepted("not_stored", "the store does not take it now"))
    async with asyncio.timeout(30):
        await Ledger(context, PLACE).take([event("initiated", context)])
    assert story(context) == ["c-1/initiated"]


async def test_a_refused_envelope_does_not_stop_the_next_one(context: FakeContext) -> None:
    context.failures.append(EnvelopeRefused("envelope_refused", "too big"))
    await Ledger(context, PLACE).take([event("initiated", context), event("ringing", context, to="sip:anna@pbx")])
    assert story(context) == ["c-1/ringing/1"]


@pytest.mark.parametrize("call", ["", "x" * 201])
async def test_an_id_that_is_none_is_put_away(context: FakeContext, call: str) -> None:
    await Ledger(context, PLACE).take([event("initiated", context, call)])
    assert [letter.reason for letter in context.dead_letters] == ["event_refused"]
    assert story(context) == []


async def test_a_caller_that_cannot_be_an_address_is_put_away(context: FakeContext) -> None:
    await Ledger(context, PLACE).take([event("initiated", context, customer="sip:a\u0001b@host")])
    assert [letter.reason for letter in context.dead_letters] == ["event_refused"]


async def test_of_several_events_of_a_call_at_once_none_is_lost_when_the_reader_dies(context: FakeContext) -> None:
    context.failures.append(RuntimeError("killed in the middle"))
    with pytest.raises(RuntimeError):
        await Ledger(context, PLACE).take([event("initiated", context), event("answered", context)])
    second = Ledger(context, PLACE)
    await second.load()
    await second.settle(["c-1"], {"c-1": [event("initiated", context), event("answered", context)]})
    assert story(context) == ["c-1/initiated", "c-1/answered"]


async def test_customers_do_not_wait_for_one_another_and_calls_of_one_customer_stay_in_order(
    context: FakeContext,
) -> None:
    other = {"customer": "+48600100300"}
    await Ledger(context, PLACE).take(
        [
            event("initiated", context),
            event("failed", context),
            event("initiated", context, "c-2"),
            event("initiated", context, "c-3", **other),
            event("answered", context, "c-2"),
            event("answered", context, "c-3", **other),
        ]
    )
    assert [name for name in story(context) if not name.startswith("c-3")] == [
        "c-1/initiated",
        "c-1/failed",
        "c-2/initiated",
        "c-2/answered",
    ]
    assert story(context)[1] == "c-3/initiated"


async def test_a_list_that_is_older_than_the_end_of_a_call_does_not_begin_it_anew(context: FakeContext) -> None:
    ledger = Ledger(context, PLACE)
    await ledger.take([event("initiated", context), event("failed", context)])
    await ledger.settle([], {"c-1": [event("initiated", context)]})
    assert ledger.calls == {}
    assert story(context) == ["c-1/initiated", "c-1/failed"]


async def test_how_long_a_caller_waits_is_measured_by_our_clock(context: FakeContext) -> None:
    ledger = Ledger(context, PLACE)
    await ledger.take([event("initiated", context, at=context.now() - 3_600_000)])
    assert ledger.calls["c-1"].begun == context.now()
