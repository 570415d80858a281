"""Mail while the node that reads or sends it stands still, is replaced, and wakes up."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from broker.bus.server import free_port
from tests.e2e.anna import all_answered, anna_of, available, balance, close, outcomes, until
from tests.e2e.installation import Installation, installed
from tests.e2e.provider import WebhookProvider
from tests.e2e.test_email import SETTLED, SUPPORT, read, unread, words, write
from tests.fixtures.dovecot import PASSWORD, USER, Dovecot, running_dovecot
from tests.fixtures.smtp import Sink

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]

SMTP_PORT = free_port()
NODES = ("mail", "mail-two")
PARTS = {"router": ["router"], "desk": ["desk"], **{name: ["mail"] for name in NODES}}


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with running_dovecot() as server:
        yield server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, dovecot: Dovecot) -> Iterator[Installation]:
    mail = {
        "type": "email",
        "address": SUPPORT,
        "user": USER,
        "password": PASSWORD,
        "imap": {"host": "127.0.0.1", "port": dovecot.port, "tls": "none", "idle": "5s", "timeout": "20s"},
        "smtp": {"host": "127.0.0.1", "port": SMTP_PORT, "tls": "none", "timeout": "6s", "data_timeout": "6s"},
    }
    folder = tmp_path_factory.mktemp("stale")
    with installed(
        folder, nodes=1, operators=("anna",), parts=PARTS, provider=WebhookProvider().url, channels={"mail": mail}
    ) as installation:
        yield installation


async def test_a_node_that_stands_still_and_wakes_up_loses_and_doubles_nothing(
    running: Installation, dovecot: Dovecot
) -> None:
    written: list[str] = []

    async def post(number: int) -> None:
        texts = [f"question {number}.{customer}" for customer in range(4)]
        mails = [write(f"customer{text[-1]}@customer.example", text) for text in texts]
        await asyncio.to_thread(dovecot.deliver, *mails)
        written.extend(texts)

    sink = Sink(port=SMTP_PORT)
    async with sink, anna_of(running, answering=True) as anna:
        await available(anna)
        for number in range(4):
            node = running.parts[NODES[number % 2]]
            await post(3 * number)
            node.signal(signal.SIGSTOP)
            try:
                await post(3 * number + 1)
                await until(lambda: not unread(dovecot), "the other node has taken every mail")
            finally:
                node.signal(signal.SIGCONT)
            await post(3 * number + 2)
        await all_answered(anna, written, {"sent", "unknown"}, SETTLED)
        shown = outcomes(anna)
        await until(lambda: not unread(dovecot), "every mail is marked as read")
        await close(anna)
        balance(shown, Counter(words(read(taken.data)) for taken in sink.taken), written)
