"""Telegram through the running broker: from a customer's message to an operator's desk, and back; and under fire.

One bot is polled and read by aiogram, the other gets its updates by webhook and is read by python-telegram-bot.
"""

import asyncio
import itertools
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.testing.steps import After, Cut
from adapters.testing.telegram import TOKEN, TelegramSimulator
from broker.bus.server import free_port
from tests.e2e.actors import Operator
from tests.e2e.anna import all_answered, anna_of, available, balance, close, outcomes, receipts, until
from tests.e2e.installation import Installation, Part, installed
from tests.e2e.provider import WebhookProvider

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]

OTHER_TOKEN = "987654321:AAFsimulatedTokenSimulatedToken1111"
PORTS = {"polled": free_port(), "posted": free_port()}
TOKENS = {"polled": TOKEN, "posted": OTHER_TOKEN}
FIRST = {"polled": 100, "posted": 200}
"""The customers of each: a user's id means the same person to every bot."""

PARTS = {"router": ["router"], "desk": ["desk"], "polled": ["polled"], "posted": ["posted"]}
CUSTOMERS = 4
ROUNDS = 4
SETTLED = 120.0
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00" + b"\x00" * 64


def channel(name: str, **more: object) -> dict[str, object]:
    plain = {"type": "telegram", "token": TOKENS[name], "api_url": f"http://127.0.0.1:{PORTS[name]}"}
    return {**plain, "timeout": "6s", "poll_timeout": "2s", "chat_per_second": 30, **more}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    channels = {
        "polled": channel("polled", mode="polling"),
        "posted": channel("posted", mode="webhook", driver="ptb"),
    }
    folder = tmp_path_factory.mktemp("telegram")
    provider = WebhookProvider().url
    with installed(folder, nodes=1, operators=("anna",), parts=PARTS, provider=provider, channels=channels) as it:
        yield it


@pytest.fixture(params=["polled", "posted"])
async def telegram(request: pytest.FixtureRequest, running: Installation) -> AsyncIterator[TelegramSimulator]:
    assert request.param in running.parts
    simulator = TelegramSimulator(TOKENS[request.param])
    simulator.channel = request.param
    simulator.floods = False
    simulator.queue.next = next(_updates)
    await simulator.start(port=PORTS[request.param])
    if request.param == "posted":
        await until(lambda: simulator.queue.info()["url"], "the channel sees that its webhook is gone, and sets it")
    yield simulator
    await simulator.go_down()


_updates = itertools.count(700_000_001, 1_000)
"""Each test has a Telegram of its own, whose numbers must go on all the same."""


def kinds(anna: Operator, conversation: str) -> list[str]:
    return [item["content"]["kind"] for item in anna.items.get(conversation, {}).values() if item["kind"] == "message"]


async def test_a_message_is_answered_and_the_operator_sees_what_became_of_it(
    running: Installation, telegram: TelegramSimulator
) -> None:
    async with anna_of(running, answering=False) as anna:
        await available(anna)
        customer = FIRST[telegram.channel]
        telegram.join(customer)
        telegram.write("Where is my parcel?", customer)
        await until(lambda: anna.mine, "anna has the conversation")
        [conversation] = anna.mine
        await until(lambda: anna.said(conversation, "message") == ["Where is my parcel?"], "anna sees it")
        photo = [{**telegram.add_file(PNG), "width": 1, "height": 1}]
        telegram.queue.add({"message": telegram.message(customer, user=customer, photo=photo)})
        await until(lambda: kinds(anna, conversation) == ["text", "media"], "anna sees the picture")
        anna.reply(conversation, "It comes tomorrow.")
        await until(lambda: telegram.shown, "the customer has the answer")
        assert (telegram.shown[0].to, telegram.shown[0].text) == (str(customer), "It comes tomorrow.")
        await until(
            lambda: receipts(anna, conversation) == {"It comes tomorrow.": "sent"}, "anna sees that it was sent"
        )
        telegram.will(After(Cut()))
        anna.reply(conversation, "Are you there?")
        await until(lambda: receipts(anna, conversation).get("Are you there?") == "unknown", "anna sees the doubt")
        telegram.blocked.add(customer)
        anna.reply(conversation, "Anybody?")
        await until(lambda: receipts(anna, conversation).get("Anybody?") == "failed", "anna sees that it failed")
        assert [shown.text for shown in telegram.shown] == ["It comes tomorrow.", "Are you there?"]
        await close(anna)
    for part in running.parts.values():
        assert telegram.token.partition(":")[2] not in part.log.read_text()


async def test_an_album_is_one_conversation_in_order(running: Installation, telegram: TelegramSimulator) -> None:
    async with anna_of(running, answering=False) as anna:
        await available(anna)
        customer = FIRST[telegram.channel] + 1
        telegram.join(customer)
        for number in range(10):
            photo = {**telegram.add_file(PNG + bytes([number])), "width": 1, "height": 1}
            found = telegram.message(
                customer, user=customer, photo=[photo], media_group_id="7", caption=f"picture {number}"
            )
            telegram.queue.add({"message": found})
        await until(lambda: anna.mine and len(kinds(anna, anna.mine[0])) == 10, "ten pictures")
        [conversation] = anna.mine
        items = [item for item in anna.items.get(conversation, {}).values() if item["kind"] == "message"]
        assert [item["content"]["caption"] for item in items] == [f"picture {number}" for number in range(10)]
        await close(anna)


async def test_kills_of_the_channel_lose_and_double_nothing(running: Installation, telegram: TelegramSimulator) -> None:
    """What comes while the channel is down waits at Telegram; of what was in a call it is not known."""
    written: list[str] = []
    first = FIRST[telegram.channel] + 2
    async with anna_of(running, answering=True) as anna:
        await available(anna)
        for round_ in range(ROUNDS):
            for customer in range(first, first + CUSTOMERS):
                telegram.join(customer)
                for _ in range(3):
                    written.append(f"question {next(_numbers)} of round {round_}")
                    telegram.write(written[-1], customer)
            await asyncio.sleep(random.uniform(0, 1.5))  # noqa: S311 - so that kills meet every moment
            await _strike(round_, running.parts[telegram.channel])
        await all_answered(anna, written, {"sent", "unknown"}, SETTLED)
        await until(lambda: not telegram.queue.pending, "Telegram is told that we have everything")
        shown = outcomes(anna)
        await close(anna)
    balance(shown, Counter(shown.text for shown in telegram.shown), written)


_numbers = itertools.count(1)


async def _strike(round_: int, part: Part) -> None:
    """Kill the channel, for a moment or for long. Not in a thread: what one has started ends with it."""
    part.signal(signal.SIGKILL)
    await asyncio.sleep(round_ % 3)
    part.start()
