"""Mail through the running broker: from a customer's mail server to an operator's desk, and back; and under fire."""

import asyncio
import email
import email.message
import email.policy
import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from broker.bus.server import free_port
from tests.e2e.actors import Operator, answer_to
from tests.e2e.installation import Installation, Part, installed
from tests.e2e.provider import WebhookProvider
from tests.fixtures.dovecot import PASSWORD, USER, Dovecot, running_dovecot
from tests.fixtures.smtp import Sink, Taken

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(240)]

SUPPORT = "support@shop.example"
SMTP_PORT = free_port()
PARTS = {"router": ["router"], "desk": ["desk"], "mail": ["mail"]}
CUSTOMERS = 4
ROUNDS = 6
SETTLED = 90.0


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with running_dovecot() as server:
        yield server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, dovecot: Dovecot) -> Iterator[Installation]:
    mail = {
        "type": "email",
        "address": SUPPORT,
        "name": "The shop",
        "user": USER,
        "password": PASSWORD,
        "imap": {"host": "127.0.0.1", "port": dovecot.port, "tls": "none", "idle": "5s", "timeout": "5s"},
        "smtp": {"host": "127.0.0.1", "port": SMTP_PORT, "tls": "none", "timeout": "1s", "data_timeout": "2s"},
    }
    folder = tmp_path_factory.mktemp("email")
    with installed(
        folder, nodes=1, operators=("anna",), parts=PARTS, provider=WebhookProvider().url, channels={"mail": mail}
    ) as installation:
        yield installation


def anna_of(installation: Installation, *, answering: bool) -> Operator:
    return Operator(lambda: installation.parts["desk"].url, "anna", "10.1.0.1", answering=answering)


async def until(look: Callable[[], object], what: str, within: float = 60.0) -> None:
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.05)


def receipts(anna: Operator, conversation: str) -> dict[str, str]:
    """What the desk shows of each answer."""
    items = anna.items.get(conversation, {}).values()
    return {item["content"]["text"]: str(item.get("receipt", "queued")) for item in items if item["kind"] == "reply"}


def read(data: bytes) -> email.message.EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    return message


def words(message: email.message.EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).strip()


def write(sender: str, text: str, *, to: str = SUPPORT, reply: email.message.EmailMessage | None = None) -> bytes:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = sender, to, "about my parcel"
    message["Message-ID"] = f"<{time.monotonic_ns()}@customer.example>"
    if reply is not None:
        message["In-Reply-To"] = str(reply["Message-ID"])
    message.set_content(text)
    return message.as_bytes()


async def test_a_mail_is_answered_by_mail_and_the_reply_to_that_goes_on_with_the_conversation(
    running: Installation, dovecot: Dovecot
) -> None:
    def hand_on(taken: Taken) -> None:
        dovecot.deliver(taken.data, sender=taken.sender, to=taken.recipients[0])

    zoe = "zoe@customer.example"
    async with Sink(port=SMTP_PORT, hand_on=hand_on), anna_of(running, answering=False) as anna:
        await until(lambda: anna.card.get("state") == "available", "anna is available")
        await asyncio.to_thread(dovecot.deliver, write(zoe, "Where is my parcel?"))
        await until(lambda: anna.mine, "anna has the conversation")
        [conversation] = anna.mine
        await until(lambda: anna.said(conversation, "message") == ["Where is my parcel?"], "anna sees it")
        await until(lambda: dovecot.files()[0].name.endswith("S"), "it is marked as read")
        anna.reply(conversation, "It comes tomorrow.")
        await until(lambda: dovecot.files(user="zoe"), "the answer is in the customer's mailbox")
        await until(
            lambda: receipts(anna, conversation) == {"It comes tomorrow.": "sent"}, "anna sees that it was sent"
        )
        answer = read(dovecot.files(user="zoe")[0].read_bytes())
        assert words(answer) == "It comes tomorrow."
        assert answer["Subject"] == "Re: about my parcel"
        back = str(answer["Reply-To"]).rpartition("<")[2].rstrip(">")
        await asyncio.to_thread(dovecot.deliver, write(zoe, "Thank you!", to=back, reply=answer), to=back)
        await until(lambda: len(anna.said(conversation, "message")) == 2, "the reply is in the same conversation")
        assert anna.said(conversation, "message")[1] == "Thank you!"
        assert anna.mine == [conversation]
        anna.order({"do": "close", "conversation": conversation})
        await until(lambda: not anna.mine, "it is closed")


async def test_kills_of_the_channel_and_of_the_mail_server_lose_and_double_nothing(
    running: Installation, dovecot: Dovecot
) -> None:
    async def slowly(_sink: Sink) -> str:
        await asyncio.sleep(random.uniform(0, 0.3))  # noqa: S311 - so that kills meet every moment
        return "250 2.0.0 taken"

    sink = Sink(port=SMTP_PORT)
    sink.after = slowly
    written: list[str] = []
    async with sink, anna_of(running, answering=True) as anna:
        await until(lambda: anna.card.get("state") == "available", "anna is available")
        for round_ in range(ROUNDS):
            written += await asyncio.to_thread(_post, dovecot, round_)
            await asyncio.sleep(random.uniform(0.2, 2.0))  # noqa: S311 - as above
            _strike(round_, running.parts["mail"], dovecot)
        await until(lambda: sorted(_all(anna, "message")) == sorted(written), "every mail is on the desk", SETTLED)
        await until(lambda: sorted(_all(anna, "reply")) == sorted(map(answer_to, written)), "all is answered", SETTLED)
        await until(
            lambda: set(_outcomes(anna).values()) <= {"sent", "unknown"}, "every answer has an outcome", SETTLED
        )
        outcomes = _outcomes(anna)
        delivered = Counter(words(read(taken.data)) for taken in sink.taken)
    assert set(delivered.values()) <= {1}, "an answer was sent twice"
    assert [text for text, outcome in outcomes.items() if outcome == "sent" and text not in delivered] == []
    assert len(outcomes) == len(written)
    assert sum(outcome == "sent" for outcome in outcomes.values()) > len(written) // 2
    unmarked = [file for file in dovecot.files() if "S" not in file.name.rpartition(",")[2]]
    assert unmarked == []


_numbers = itertools.count(1)


def _post(dovecot: Dovecot, round_: int) -> list[str]:
    """Let every customer write; gives what they wrote."""
    texts = []
    for customer in range(CUSTOMERS):
        texts.append(f"question {next(_numbers)} of round {round_}")
        dovecot.deliver(write(f"customer{customer}@customer.example", texts[-1]))
    return texts


def _strike(round_: int, mail: Part, dovecot: Dovecot) -> None:
    """Kill something, in turns, and start it again. Not in a thread: what one has started ends with it."""
    match round_ % 3:
        case 0:
            mail.signal(signal.SIGKILL)
            mail.start()
        case 1:
            dovecot.cut()
        case _:
            dovecot.kill()
            dovecot.start()


def _all(anna: Operator, kind: str) -> list[str]:
    return [text for conversation in anna.items for text in anna.said(conversation, kind)]


def _outcomes(anna: Operator) -> dict[str, str]:
    return {text: state for conversation in anna.items for text, state in receipts(anna, conversation).items()}
