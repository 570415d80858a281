"""What came while nobody listened."""

import asyncio

import pytest

from adapters.errors import NotAccepted
from adapters.testing.steps import Answer
from adapters.testing.twilio import OWN, OWN_SMS, File, TwilioSimulator, Write
from adapters.twilio.catch_up import PAGE, PATIENCE, CatchUp
from adapters.twilio.errors import ApiError
from adapters.twilio.media import NotFetched
from config import Duration
from normalizer.content import Media, Text, Unsupported
from tests.adapters.twilio.conftest import ADDRESS, Connect, Line
from tests.adapters.twilio.test_inbound import PNG

MINUTE = 60_000
SERVICE = "MG" + "d4" * 16


def sweeper(line: Line) -> CatchUp:
    adapter = line.adapter
    return CatchUp(adapter.settings, line.context, adapter._client, adapter._taken, adapter._take, adapter._statuses)


async def test_what_was_missed_is_taken_in_once_oldest_first(line: Line) -> None:
    catch_up = sweeper(line)
    assert await catch_up.sweep() == 0
    first = line.simulator.receive(Write(body="one"))
    line.context.time += 1_000
    second = line.simulator.receive(Write(media=[File(type="image/png", data=PNG)]))
    line.context.time += 2 * MINUTE
    await line.simulator.write(Write(body="three, by the webhook"))
    line.context.time += 2 * MINUTE
    line.context.accepted.clear()
    assert await catch_up.sweep() == 2
    one, two = line.context.accepted
    assert (one.native_id, one.address, one.content, one.at) == (first.sid, ADDRESS, Text(text="one"), first.at)
    assert two.native_id == second.sid
    assert isinstance(two.content, Media)
    assert one.attributes == {"to": OWN, "caught_up": "true"}
    assert await catch_up.sweep() == 0


async def test_messages_to_numbers_of_other_programs_of_the_account_are_left_alone(connect: Connect) -> None:
    service = SERVICE
    line = await connect(numbers=[], messaging_service_sid=service)
    line.simulator.services[service] = []
    await sweeper(line).sweep()
    line.simulator.receive(Write(to="+14155550199", body="to the sales department's own program"))
    line.simulator.receive(Write(to="+14155550198", body="to its service")).service = "MG" + "e5" * 16
    line.simulator.receive(Write(body="to us")).service = service
    line.context.time += 2 * MINUTE
    assert await sweeper(line).sweep() == 1
    assert [one.content for one in line.context.accepted] == [Text(text="to us")]


@pytest.mark.parametrize("number", [OWN, OWN_SMS, "60060"])
async def test_a_message_to_a_number_of_the_service_is_ours_where_the_list_does_not_say_so(
    connect: Connect, simulator: TwilioSimulator, number: str
) -> None:
    simulator.services[SERVICE] = [OWN, OWN_SMS, "60060"]
    line = await connect(numbers=[], messaging_service_sid=SERVICE)
    await sweeper(line).sweep()
    line.simulator.receive(Write(to="+14155550199", body="to the sales department's own program"))
    missed = line.simulator.receive(Write(to=number, body="to us"))
    line.context.time += 2 * MINUTE
    assert await sweeper(line).sweep() == 1
    assert [one.native_id for one in line.context.accepted] == [missed.sid]


async def test_a_key_that_may_not_see_the_service_goes_by_what_the_list_says(
    connect: Connect, simulator: TwilioSimulator
) -> None:
    line = await connect(numbers=[], messaging_service_sid=SERVICE)
    simulator.will(*[Answer(status=403)] * 3, on="GET /v1/Services")
    await sweeper(line).sweep()
    line.simulator.receive(Write(body="to us")).service = SERVICE
    line.context.time += 2 * MINUTE
    assert await sweeper(line).sweep() == 1
    simulator.will(Answer(status=500), on="GET /v1/Services")
    with pytest.raises(ApiError, match="500"):
        await sweeper(line).sweep()


async def test_another_process_takes_the_same_message_under_the_same_id(line: Line, connect: Connect) -> None:
    await sweeper(line).sweep()
    sid = await line.simulator.write(Write(body="by the webhook"))
    line.context.time += 2 * MINUTE
    assert await sweeper(await connect()).sweep() == 1
    assert {(one.address, one.native_id) for one in line.context.accepted} == {(ADDRESS, sid)}


async def test_a_message_of_this_minute_is_left_to_the_webhook(line: Line) -> None:
    await sweeper(line).sweep()
    line.simulator.receive(Write(body="on its way"))
    assert await sweeper(line).sweep() == 0


async def test_what_cannot_be_stored_is_found_again(line: Line) -> None:
    catch_up = sweeper(line)
    await catch_up.sweep()
    line.simulator.receive(Write(body="one"))
    line.context.time += 2 * MINUTE
    line.context.failures.append(NotAccepted("not_stored", "the store does not take it now"))
    with pytest.raises(NotAccepted):
        await catch_up.sweep()
    line.context.time += 60 * MINUTE
    assert await catch_up.sweep() == 1


async def test_a_file_that_cannot_be_fetched_holds_up_its_sender_only_and_not_for_ever(line: Line) -> None:
    catch_up = sweeper(line)
    await catch_up.sweep()
    broken = line.simulator.receive(Write(body="look", media=[File(type="image/png", data=PNG)]))
    line.context.time += 1_000
    line.simulator.receive(Write(body="have you seen it?"))
    other = line.simulator.receive(Write(sender="whatsapp:+48600100299", body="good day"))
    line.simulator.will(Answer(status=403), Answer(status=403), on="GET .*/Media/ME")
    line.context.time += 2 * MINUTE
    with pytest.raises(NotFetched, match="403"):
        await catch_up.sweep()
    assert [one.native_id for one in line.context.accepted] == [other.sid]
    line.context.time += PATIENCE
    assert await catch_up.sweep() == 2
    text, told, later = line.context.accepted[1:]
    assert (text.native_id, text.content, later.content) == (
        broken.sid,
        Text(text="look"),
        Text(text="have you seen it?"),
    )
    why = "status 403 while a file was fetched"
    assert told.content == Unsupported(what=f"a file that cannot be fetched from Twilio ({why})")


async def test_many_pages_are_read(line: Line) -> None:
    catch_up = sweeper(line)
    await catch_up.sweep()
    for number in range(PAGE + 20):
        line.simulator.receive(Write(body=str(number)))
        line.context.time += 1
    line.context.time += 2 * MINUTE
    assert await catch_up.sweep() == PAGE + 20


async def test_it_goes_on_after_a_failure_of_twilio(connect: Connect) -> None:
    line = await connect(catch_up=Duration(10))
    line.simulator.will(Answer(status=500), on="GET")
    running = asyncio.create_task(line.adapter.run())
    await line.simulator.wait_for(6)  # one list a number, the first of them failed
    running.cancel()
    await asyncio.wait([running])
    assert line.context.logged[0]["event"] == "twilio.not_caught_up"


async def test_a_sender_that_nobody_can_address_lies_with_the_dead_letters_once(line: Line) -> None:
    catch_up = sweeper(line)
    await catch_up.sweep()
    line.simulator.receive(Write(sender="whatsapp:\x01", body="one"))
    good = line.simulator.receive(Write(body="two"))
    line.context.time += 2 * MINUTE
    assert await catch_up.sweep() == 2
    assert await catch_up.sweep() == 0
    assert [letter.reason for letter in line.context.dead_letters] == ["unreadable"]
    assert [one.native_id for one in line.context.accepted] == [good.sid]


@pytest.mark.parametrize("body", [b"<html>", b"{}"])
async def test_it_goes_on_after_an_answer_that_cannot_be_read(connect: Connect, body: bytes) -> None:
    line = await connect(catch_up=Duration(10))
    line.simulator.will(Answer(body=body), on="GET")
    running = asyncio.create_task(line.adapter.run())
    await line.simulator.wait_for(6)
    running.cancel()
    await asyncio.wait([running])
    assert line.context.logged[0]["event"] == "twilio.not_caught_up"


async def test_what_twilio_says_of_it_is_not_lost(line: Line) -> None:
    line.simulator.will(Answer(status=500), on="GET")
    with pytest.raises(ApiError, match="status 500"):
        await sweeper(line).sweep()


async def test_nothing_to_do_ends_at_once(connect: Connect) -> None:
    line = await connect(catch_up=Duration(0))
    await asyncio.wait_for(line.adapter.run(), 60)
