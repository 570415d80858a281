"""One Dovecot for the tests of a module; each test has a mailbox that is empty at first."""

import ssl
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.email.imap import Connection, Server
from adapters.testing import FakeContext
from tests.fixtures.dovecot import PASSWORD, USER, Dovecot, running_dovecot


@pytest.fixture(scope="module")
def dovecot_server() -> Iterator[Dovecot]:
    with running_dovecot() as server:
        yield server


@pytest.fixture
def dovecot(dovecot_server: Dovecot) -> Dovecot:
    dovecot_server.empty()
    return dovecot_server


@pytest.fixture
async def context() -> AsyncIterator[FakeContext]:
    context = FakeContext("mail")
    yield context
    await context.close()


async def password() -> str:
    return PASSWORD


def server(port: int, *, timeout: float = 20.0, tls: ssl.SSLContext | None = None) -> Server:
    return Server(host="127.0.0.1", port=port, user=USER, secret=password, timeout=timeout, tls=tls)


@pytest.fixture
async def connection(dovecot: Dovecot) -> AsyncIterator[Connection]:
    connection = await Connection.open(server(dovecot.port))
    await connection.select("INBOX")
    yield connection
    await connection.close()


def mail(number: int, text: str = "hello", *, sender: str = "zoe@customer.example", size: int = 0) -> bytes:
    """A plain mail; ``size`` bytes more of text, in lines."""
    lines = "".join(f"{'x' * 70}\r\n" for _ in range(size // 72))
    return (
        f"From: Zoe <{sender}>\r\nTo: support@shop.example\r\nSubject: question {number}\r\n"
        f"Message-ID: <m{number}@customer.example>\r\nDate: Mon, 02 Nov 2026 10:00:{number % 60:02} +0000\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text} {number}\r\n{lines}"
    ).encode()
