"""Messages of which nobody knows whether they were sent, and others that say the same.

A process that is killed is one that is not closed: what it has not written is lost, and the next one has its notes.
"""

from dataclasses import replace

import pytest

from adapters.contract import Sent
from adapters.errors import NotAccepted, OutcomeUnknown, Refused, TryLater
from adapters.testing.context import FakeMemory
from adapters.testing.steps import After, Answer, Cut, Fault
from adapters.testing.twilio import CUSTOMER, OWN, News, TwilioSimulator
from adapters.testing.twilio_api import Kept
from adapters.twilio import Twilio
from adapters.twilio.calls import MOST, NEAR, Calls
from adapters.twilio.outgoing import Message
from config import Duration
from normalizer.content import Text
from normalizer.outbound import Outbound
from tests.adapters.twilio.conftest import ADDRESS, Connect, Line

SECOND, MINUTE = 1_000, 60_000
LATER = NEAR + SECOND
NOT_SENT, SENT = Cut(), After(Cut())
"""What becomes of a request whose answer is lost."""

THEIRS = b'{"calls":[["c9-1","",0,"SM9"]]}'


@pytest.fixture(autouse=True)
def silent(simulator: TwilioSimulator) -> None:
    """Twilio does not say what becomes of a message."""
    simulator.course = ()


async def doubtful(line: Line, fault: Fault, text: str = "ok", *, number: int = 2, address: str = ADDRESS) -> Outbound:
    """Send a text, and lose the answer."""
    message = line.message(Text(text=text), number=number, address=address)
    line.simulator.will(fault)
    with pytest.raises(OutcomeUnknown):
        await line.adapter.send(message)
    return message


async def found(line: Line, message: Outbound) -> str:
    """Give the SID that was found; empty where it is not known whether the message was sent."""
    try:
        sent = await line.adapter.find(message)
    except OutcomeUnknown:
        return ""
    assert sent is not None
    return sent.native_id


async def test_a_message_whose_answer_was_lost_is_found(line: Line) -> None:
    message = await doubtful(line, SENT)
    assert await found(line, message) == line.simulator.sent[0].sid


async def test_a_message_that_is_not_there_stays_unknown(line: Line) -> None:
    assert await found(line, await doubtful(line, NOT_SENT)) == ""


async def test_the_same_text_of_another_message_is_not_taken_for_it(line: Line) -> None:
    await line.answer("ok", number=1)
    assert await found(line, await doubtful(line, NOT_SENT)) == ""


@pytest.mark.parametrize("catch_up", [0, 300_000])
async def test_what_was_sent_a_moment_before_a_kill_is_not_taken_for_it(connect: Connect, catch_up: int) -> None:
    killed = await connect(catch_up=Duration(catch_up))
    await killed.answer("ok", number=1)
    message = await doubtful(killed, NOT_SENT)
    assert await found(await connect(catch_up=Duration(catch_up)), message) == ""


@pytest.mark.parametrize("catch_up", [0, 300_000])
async def test_of_two_equal_messages_before_a_kill_each_is_found(connect: Connect, catch_up: int) -> None:
    killed = await connect(catch_up=Duration(catch_up))
    await killed.answer("ok", number=1)
    message = await doubtful(killed, SENT)
    assert await found(await connect(catch_up=Duration(catch_up)), message) == killed.simulator.sent[1].sid


async def test_what_a_killed_process_has_sent_is_not_taken_for_what_the_next_one_sends(connect: Connect) -> None:
    """The node that takes over sends at once what stood behind it; both say the same."""
    killed = await connect()
    await killed.answer("ok", number=1)
    line = await connect()
    assert await found(line, await doubtful(line, NOT_SENT)) == ""


async def test_it_is_found_once_what_the_killed_process_has_sent_is_older(connect: Connect) -> None:
    killed = await connect()
    await killed.answer("ok", number=1)
    line = await connect()
    line.context.time += LATER
    assert await found(line, await doubtful(line, SENT)) == line.simulator.sent[1].sid
    line.context.time += LATER
    assert await found(line, await doubtful(line, NOT_SENT, number=3)) == ""


async def test_two_different_messages_in_doubt_are_both_found(connect: Connect) -> None:
    killed = await connect()
    messages = [await doubtful(killed, SENT, text, number=number) for number, text in enumerate(["yes", "no"])]
    line = await connect()
    assert [await found(line, message) for message in messages] == [kept.sid for kept in killed.simulator.sent]


@pytest.mark.parametrize("faults", [(SENT, NOT_SENT), (NOT_SENT, SENT), (SENT, SENT)])
async def test_two_equal_messages_in_doubt_stay_in_doubt(connect: Connect, faults: tuple[Fault, Fault]) -> None:
    """One customer may have two conversations for a moment; also where another process looks."""
    killed = await connect()
    messages = [await doubtful(killed, fault, number=number) for number, fault in enumerate(faults)]
    for line in (killed, await connect()):
        assert [await found(line, message) for message in messages] == ["", ""]


async def test_a_doubt_about_one_customer_does_not_touch_another(connect: Connect) -> None:
    killed = await connect()
    await doubtful(killed, NOT_SENT, number=1, address="whatsapp:+48600100201")
    message = await doubtful(killed, SENT)
    assert await found(await connect(), message) == killed.simulator.sent[0].sid


async def test_a_status_callback_ends_the_doubt_about_the_other_one(line: Line) -> None:
    line.simulator.course = (News(status="delivered"),)
    first = await doubtful(line, SENT, number=1)
    second = await doubtful(line, SENT)
    await line.simulator.settle()  # the callbacks of both
    assert [await found(line, first), await found(line, second)] == [kept.sid for kept in line.simulator.sent]


@pytest.mark.parametrize("fault", [Answer(status=503), Answer(status=400), Answer(status=401)])
async def test_what_was_certainly_not_sent_makes_nothing_doubtful(line: Line, fault: Fault) -> None:
    line.simulator.will(fault)
    with pytest.raises(Exception, match=r"\w"):
        await line.answer("ok", number=1)
    assert await found(line, await doubtful(line, SENT)) == line.simulator.sent[0].sid


async def test_of_several_attempts_the_last_one_counts(line: Line) -> None:
    message = line.message(Text(text="ok"))
    line.simulator.will(Answer(status=503))
    with pytest.raises(TryLater):
        await line.adapter.send(message)
    await line.answer("ok", number=2)
    line.context.time += MINUTE
    assert await found(line, await doubtful(line, NOT_SENT, number=1)) == ""
    line.context.time += MINUTE
    assert await found(line, await doubtful(line, SENT, number=1)) == line.simulator.sent[1].sid


async def test_what_was_never_begun_is_not_found(connect: Connect) -> None:
    """As after a kill before the request was noted; an equal text is there."""
    line = await connect()
    second = line.message(Text(text="ok"), number=2)
    line.context.time += MINUTE
    await line.answer("ok", number=1)
    assert await found(await connect(), second) == ""


async def test_an_equal_text_of_another_program_that_came_later_is_not_taken_for_it(line: Line) -> None:
    message = await doubtful(line, NOT_SENT)
    line.context.time += MINUTE
    line.simulator.messages["SM1"] = Kept(
        sid="SM1", direction="outbound-api", sender=OWN, to=CUSTOMER, body="ok", at=line.context.now(), status="sent"
    )
    assert await found(line, message) == ""


async def test_where_what_was_sent_at_that_time_is_not_noted_any_more_nothing_is_told(line: Line) -> None:
    message = await doubtful(line, SENT)
    assert await found(line, message) == line.simulator.sent[0].sid
    calls = Calls(line.context)
    for number in range(MOST):
        await calls.begin(f"c3-{number}", Message(to=CUSTOMER, says="ok"))
        calls.learn(f"c3-{number}", f"SM{number}")
    last = await doubtful(line, SENT, number=3)
    line = replace(line, adapter=Twilio(line.adapter.settings, line.context))
    assert (await found(line, message), await found(line, last)) == ("", "")
    await line.adapter.close()


@pytest.mark.parametrize("ahead", [-90 * SECOND, 90 * SECOND])
async def test_the_clocks_may_differ(connect: Connect, ahead: int) -> None:
    line = await connect()
    context = line.context
    line.simulator.now = lambda: context.now() + ahead
    first = await doubtful(line, NOT_SENT, number=1)
    context.time += LATER
    message = await doubtful(line, SENT)
    context.time += SECOND
    other = await connect()
    assert [await found(other, one) for one in (message, first)] == [line.simulator.sent[0].sid, ""]


class Broken(FakeMemory):
    """Keeps nothing."""

    async def save(self, key: str, value: bytes) -> None:
        raise NotAccepted("not_kept", f"{key} of {len(value)} bytes")


async def test_what_cannot_be_noted_is_not_sent_now(connect: Connect) -> None:
    line = await connect()
    line.context.memory = Broken()
    line = await connect()
    with pytest.raises(TryLater) as caught:
        await line.answer()
    assert (caught.value.code, line.simulator.requests) == ("not_noted", [])


class Overtaken(FakeMemory):
    """Another node writes each note between our reading and our writing it."""

    async def read(self, key: str) -> tuple[bytes | None, int]:
        found = await super().read(key)
        await self.save(key, THEIRS)
        return found


async def test_a_process_that_stood_still_sends_nothing_and_writes_over_no_notes(connect: Connect) -> None:
    line = await connect()
    memory = line.context.memory = Overtaken()
    line = await connect()
    with pytest.raises(TryLater) as caught:
        await line.answer()
    assert (caught.value.code, line.simulator.requests) == ("not_noted", [])
    assert set(memory.notes.values()) == {THEIRS}


async def test_a_message_that_was_found_to_have_failed_is_refused(connect: Connect) -> None:
    line = await connect()
    line.simulator.reach.clear()  # its callbacks do not come
    line.simulator.outcomes.append((News(status="undelivered", code=63024),))
    message = await doubtful(line, SENT)
    await line.simulator.settle()
    with pytest.raises(Refused) as caught:
        await line.adapter.find(message)
    assert caught.value.code == "63024"


async def test_nothing_of_the_customer_stands_in_the_notes(line: Line) -> None:
    await line.answer("secret words")
    (note,) = (value for key, value in line.context.memory.notes.items() if key.startswith("calls"))
    assert b"48600100200" not in note
    assert b"secret" not in note


async def test_what_was_answered_is_known_without_asking(line: Line) -> None:
    message = line.message(Text(text="ok"))
    sent = await line.adapter.send(message)
    line.simulator.requests.clear()
    assert await line.adapter.find(message) == Sent(native_id=sent.native_id)
    assert line.simulator.requests == []
