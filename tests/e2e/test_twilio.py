"""WhatsApp through the running broker: from Twilio's webhook to an operator's desk, and back; and under fire."""

import asyncio
import itertools
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.pace import Pace
from adapters.testing.steps import After, Cut, Hang
from adapters.testing.twilio import ACCOUNT, CUSTOMER, OWN, OWN_SMS, TOKEN, File, News, TwilioSimulator, Write
from broker.bus.server import free_port
from tests.e2e.anna import all_answered, anna_of, available, balance, close, outcomes, receipts, until
from tests.e2e.installation import Installation, Part, installed
from tests.e2e.provider import WebhookProvider

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]

PORT = free_port()
PARTS = {"router": ["router"], "desk": ["desk"], "wa": ["wa"]}
CUSTOMERS = 4
ROUNDS = 4
SETTLED = 120.0
FINDS = Pace().finds
LIST = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00" + b"\x00" * 64


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    channel = {
        "type": "twilio",
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "from": [OWN, OWN_SMS],
        "api": f"http://127.0.0.1:{PORT}",
        "media_hosts": ["localhost"],
        "timeout": "6s",
        "catch_up": "2s",
    }
    folder = tmp_path_factory.mktemp("twilio")
    with installed(
        folder, nodes=1, operators=("anna",), parts=PARTS, provider=WebhookProvider().url, channels={"wa": channel}
    ) as installation:
        yield installation


@pytest.fixture
async def twilio(running: Installation) -> AsyncIterator[TwilioSimulator]:
    simulator = TwilioSimulator()
    await simulator.start(port=PORT)
    simulator.webhook = f"{running.parts['wa'].url}/channels/wa/messages"
    yield simulator
    await simulator.go_down()


async def test_a_whatsapp_message_is_answered_and_the_operator_sees_it_delivered_and_read(
    running: Installation, twilio: TwilioSimulator
) -> None:
    async with anna_of(running, answering=False) as anna:
        await available(anna)
        await twilio.write(Write(body="Where is my parcel?", name="Ola"))
        assert twilio.answers == [200]
        await until(lambda: anna.mine, "anna has the conversation")
        [conversation] = anna.mine
        await until(lambda: anna.said(conversation, "message") == ["Where is my parcel?"], "anna sees it")
        await twilio.write(Write(media=[File(type="image/png", data=PNG)]))
        await until(
            lambda: any(
                item["content"]["kind"] == "media" for item in anna.items[conversation].values() if "content" in item
            ),
            "anna sees the picture",
        )
        anna.reply(conversation, "It comes tomorrow.")
        await until(lambda: twilio.shown, "the customer has the answer")
        assert (twilio.shown[0].to, twilio.shown[0].text) == (CUSTOMER, "It comes tomorrow.")
        await until(lambda: receipts(anna, conversation) == {"It comes tomorrow.": "delivered"}, "it was delivered")
        await twilio.change(News(status="read"))
        await until(lambda: receipts(anna, conversation) == {"It comes tomorrow.": "read"}, "it was read")
        twilio.outcomes.append((News(status="undelivered", code=63024),))
        anna.reply(conversation, "Are you there?")
        await until(lambda: receipts(anna, conversation).get("Are you there?") == "failed", "anna sees that it failed")
        twilio.will(After(Cut()))
        anna.reply(conversation, "Anybody?")
        await until(lambda: receipts(anna, conversation).get("Anybody?") == "delivered", "the doubt is dispelled")
        assert Counter(kept.body for kept in twilio.sent)["Anybody?"] == 1
        await close(anna)


async def test_a_forged_message_reaches_nobody(twilio: TwilioSimulator) -> None:
    twilio.token = "somebody else's"
    await twilio.write(Write(body="I am your customer"))
    assert twilio.answers == [403]


async def test_kills_of_the_channel_lose_and_double_nothing(running: Installation, twilio: TwilioSimulator) -> None:
    """What comes while the channel is down is found in Twilio's list; what was in a call is found there too."""
    written: list[str] = []
    async with anna_of(running, answering=True) as anna:
        await available(anna)
        for round_ in range(ROUNDS):
            writes = [_write(number, round_) for number in range(CUSTOMERS)]
            written += [write.body for write in writes]
            customers = asyncio.gather(*map(twilio.write, writes))
            await asyncio.sleep(random.uniform(0, 1.0))  # noqa: S311 - so that kills meet every moment
            await _strike(round_, running.parts["wa"])
            await customers
        await all_answered(anna, written, {"sent", "delivered", "unknown"}, SETTLED)
        shown = outcomes(anna)
        await close(anna)
    balance(shown, Counter(kept.body for kept in twilio.sent), written)


async def test_an_equal_answer_before_a_kill_is_not_taken_for_the_one_that_did_not_arrive(
    running: Installation, twilio: TwilioSimulator
) -> None:
    """What was sent within the last second before the kill stands in Twilio's list, and says the same."""
    customer, channel = "whatsapp:+48600100400", running.parts["wa"]
    twilio.course = ()  # no status tells which one it is about

    def states() -> list[str]:
        items = anna.items.get(conversation, {}).values()
        return sorted(str(item.get("receipt", "queued")) for item in items if item["kind"] == "reply")

    def looked() -> int:
        return sum(found.path.startswith(LIST) and "48600100400" in found.path for found in twilio.requests)

    async with anna_of(running, answering=False) as anna:
        await available(anna)
        await twilio.write(Write(sender=customer, body="Two things, please"))
        await until(lambda: anna.mine, "anna has the conversation")
        [conversation] = anna.mine
        anna.reply(conversation, "ok")
        await until(lambda: twilio.sent, "the first one is sent")
        twilio.will(Hang())
        anna.reply(conversation, "ok")
        await until(lambda: len(twilio.sends) == 2, "the second one is on its way")
        channel.signal(signal.SIGKILL)
        before = looked()
        channel.start()
        await until(lambda: looked() - before >= FINDS, "Twilio was asked for it as often as it is", SETTLED)
        await until(lambda: states() == ["sent", "unknown"], "one is sent, nobody knows of the other")
        await asyncio.sleep(1)  # what the last look has found would be told by now
        assert states() == ["sent", "unknown"]
        assert len(twilio.sent) == 1
        await close(anna)


_numbers = itertools.count(1)


def _write(customer: int, round_: int) -> Write:
    return Write(sender=f"whatsapp:+4860010030{customer}", body=f"question {next(_numbers)} of round {round_}")


async def _strike(round_: int, channel: Part) -> None:
    """Kill the channel, for a moment or for long. Not in a thread: what one has started ends with it."""
    channel.signal(signal.SIGKILL)
    await asyncio.sleep(round_ % 3)
    channel.start()
