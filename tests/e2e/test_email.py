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
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.bus.server import free_port
from tests.e2e.anna import all_answered, anna_of, available, balance, close, outcomes, receipts, until
from tests.e2e.installation import Installation, Part, installed
from tests.e2e.provider import WebhookProvider
from tests.fixtures.dovecot import PASSWORD, USER, Dovecot, running_dovecot
from tests.fixtures.smtp import Sink, Taken

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]

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
        "smtp": {"host": "127.0.0.1", "port": SMTP_PORT, "tls": "none", "timeout": "6s", "data_timeout": "6s"},
    }
    folder = tmp_path_factory.mktemp("email")
    with installed(
        folder, nodes=1, operators=("anna",), parts=PARTS, provider=WebhookProvider().url, channels={"mail": mail}
    ) as installation:
        yield installation


def unread(dovecot: Dovecot) -> list[Path]:
    """Give the mails in our mailbox that are not marked as read."""
    return [file for file in dovecot.files() if "S" not in file.name.rpartition(",")[2]]


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
        await available(anna)
        await asyncio.to_thread(dovecot.deliver, write(zoe, "Where is my parcel?"))
        await until(lambda: anna.mine, "anna has the conversation")
        [conversation] = anna.mine
        await until(lambda: anna.said(conversation, "message") == ["Where is my parcel?"], "anna sees it")
        await until(lambda: not unread(dovecot), "it is marked as read")
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
        await close(anna)


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
        await available(anna)
        for round_ in range(ROUNDS):
            written += await asyncio.to_thread(_post, dovecot, round_)
            await asyncio.sleep(random.uniform(0.2, 2.0))  # noqa: S311 - as above
            _strike(round_, running.parts["mail"], dovecot)
        await all_answered(anna, written, {"sent", "unknown"}, SETTLED)
        shown = outcomes(anna)
        await close(anna)
        balance(shown, Counter(words(read(taken.data)) for taken in sink.taken), written)
        await until(lambda: not unread(dovecot), "every mail is marked as read")


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
