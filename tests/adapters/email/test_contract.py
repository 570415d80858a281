"""The channel against the conformance kit: a real Dovecot on the one side, an SMTP server with faults on the other."""

import asyncio
import email
import email.policy
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.message import EmailMessage
from typing import ClassVar, Literal, Self

import msgspec
import pytest
from msgspec import Struct

from adapters.contract import Adapter
from adapters.email import Email
from adapters.email.parse import parse_mail
from adapters.email.settings import EmailSettings, ImapSettings, SmtpSettings
from adapters.email.wire import ChannelData, Ours
from adapters.errors import Refused, TryLater, Unreachable
from adapters.testing import (
    NOON,
    AdapterContract,
    FakeContext,
    InboundCase,
    OutboundCase,
    Rig,
    Shown,
    Told,
    Trouble,
    made_id,
)
from adapters.testing.spoil import spoiled
from config import Duration, Secret
from normalizer.content import Text
from normalizer.envelope import Envelope, Sender
from tests.adapters.email.conftest import mail
from tests.fixtures.dovecot import PASSWORD, Dovecot
from tests.fixtures.smtp import USER, Reply, Sink, Taken, always, cut, hang

SUPPORT = "support@shop.example"
POSITION = f"position.{USER}.INBOX"
WRITTEN = 1_793_613_601_000
"""When :func:`mail` 1 says that it was written."""


class Fault(Struct, frozen=True):
    """What the mail server says at a step, instead of what it would."""

    at: Literal["recipient", "after", "then"]
    reply: Reply


class MailServers:
    """Both servers of the mailbox, as the kit sees them."""

    def __init__(self, dovecot: Dovecot) -> None:
        self.dovecot = dovecot
        self.sink = Sink()
        self.now: Callable[[], int] = lambda: 0
        self.sends: list[str] = []
        self.delivered = 0
        self.turn = asyncio.Lock()
        self._faults: deque[Fault] = deque()
        self._fault: Fault | None = None

    @property
    def shown(self) -> Sequence[Shown]:
        return [_shown(taken) for taken in self.sink.taken]

    def will(self, *faults: Fault) -> None:
        self._faults.extend(faults)

    def freeze(self) -> None:
        self.dovecot.freeze()
        self.sink.frozen = True

    async def go_down(self) -> None:
        self.dovecot.kill()
        self.sink.close()

    async def __aenter__(self) -> Self:
        self.dovecot.revive()
        self.dovecot.empty()
        await self.sink.__aenter__()
        self.sink.recipient = self._recipient
        self.sink.after = self._after
        self.sink.then = self._then
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.sink.__aexit__(*exc)

    async def _recipient(self, sink: Sink) -> str:
        self.sends.append("a mail that was not taken")
        self._fault = self._faults.popleft() if self._faults else None
        return await self._reply("recipient", sink, "250 2.1.5 OK")

    async def _after(self, sink: Sink) -> str:
        return await self._reply("after", sink, "250 2.0.0 taken")

    async def _then(self, sink: Sink) -> str:
        self.sends[-1] = sink.taken[-1].data.decode("utf-8", "replace")
        return await self._reply("then", sink, "")

    async def _reply(self, at: str, sink: Sink, otherwise: str) -> str:
        return await self._fault.reply(sink) if self._fault is not None and self._fault.at == at else otherwise


def _shown(taken: Taken) -> Shown:
    message = email.message_from_bytes(taken.data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    files = [(part.get_content_type(), len(part.get_content())) for part in message.iter_attachments()]
    return Shown(to=taken.recipients[0], text=str(body.get_content()) if body else "", files=files)


def digest(raw: bytes) -> str:
    return parse_mail(raw, now_ms=NOON, ours=Ours(mailboxes=(SUPPORT,), key=bytes(32))).digest


def envelope(number: int) -> Envelope:
    data = ChannelData(
        to="zoe@customer.example",
        message_id=f"<m{number}@customer.example>",
        subject=f"question {number}",
        mailbox=SUPPORT,
    )
    return Envelope(
        id=made_id(1),
        at=WRITTEN,
        channel="test",
        type="email",
        native_id=digest(mail(number)),
        address="email:zoe@customer.example",
        content=Text(text=f"hello {number}", subject=f"question {number}"),
        sender=Sender(name="Zoe"),
        attributes={"mailbox": SUPPORT, "verified": "no"},
        channel_data=msgspec.Raw(msgspec.json.encode(data)),
    )


def failing(label: str, fault: Fault, error: type[Refused | TryLater], code: str) -> OutboundCase:
    return OutboundCase(label=label, content=Text(text="Hello"), faults=[fault], error=error, code=code)


class TestContract(AdapterContract[MailServers]):
    """The channel."""

    address = "email:zoe@customer.example"
    another = "email:ann@customer.example"
    signs = "nothing"
    inbound = (
        InboundCase(label="a mail", event=mail(1), envelopes=[envelope(1)]),
        InboundCase(
            label="a mail of nobody", event=b"Subject: hello\r\n\r\nhello\r\n", told=Told.REFUSED, dead=["no_sender"]
        ),
    )
    outbound = (
        OutboundCase(label="text", content=Text(text="Hello"), request="To: zoe@customer.example"),
        failing("grey-listing", Fault("recipient", always("451 4.7.1 later")), TryLater, "smtp_451"),
        failing("no mailbox", Fault("recipient", always("550 5.1.1 unknown")), Unreachable, "no_such_mailbox"),
        failing("spam", Fault("after", always("554 5.7.1 spam")), Refused, "smtp_554"),
    )
    troubles: ClassVar[Mapping[Trouble, object]] = {
        Trouble.PAUSE_UNTOLD: Fault("recipient", always("450 4.7.1 too fast")),
        Trouble.FAILS: Fault("after", always("451 4.3.0 not now")),
        Trouble.HANGS: Fault("after", hang),
        Trouble.CUTS: Fault("after", cut),
        Trouble.LOSES_THE_ANSWER: Fault("then", hang),
        Trouble.DROPS_THE_ANSWER: Fault("then", cut),
        Trouble.REFUSES: Fault("after", always("554 5.0.0 no")),
        Trouble.IS_DOWN: None,
    }
    impossible: ClassVar[Mapping[Trouble, str]] = {
        Trouble.PAUSE: "SMTP has no word for how long a sender is to wait",
    }
    dovecot: Dovecot

    @pytest.fixture(autouse=True)
    def _dovecot(self, dovecot_server: Dovecot) -> None:
        self.dovecot = dovecot_server

    def peer(self) -> MailServers:
        return MailServers(self.dovecot)

    def make(self, context: FakeContext, peer: MailServers) -> Adapter:
        settings = EmailSettings(
            address=SUPPORT,
            user=USER,
            password=Secret(PASSWORD),
            imap=ImapSettings(host="127.0.0.1", port=peer.dovecot.port, tls="none", idle=Duration(200)),
            smtp=SmtpSettings(host="127.0.0.1", port=peer.sink.port, tls="none", data_timeout=Duration(6_000)),
        )
        return Email(settings, context)

    async def ready(self, rig: Rig[MailServers]) -> None:
        await _looked(rig, 0)

    def event(self, number: int) -> bytes:
        return mail(number)

    def spoil(self, event: object) -> Iterable[object]:
        assert isinstance(event, bytes)
        yield from spoiled(event)
        yield from (event[: len(event) // 3], event.replace(b"text/plain", b"text/\xff"), b"\x00\xff\r\n\r\n", b".\r\n")
        yield event.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x")

    async def deliver(self, rig: Rig[MailServers], event: object) -> Told:
        """Put the mail into the mailbox, and wait until the reader has moved past it."""
        assert isinstance(event, bytes)
        async with rig.peer.turn:
            before = {_name(file.name) for file in rig.peer.dovecot.files()}
            await asyncio.to_thread(rig.peer.dovecot.deliver, event)
            rig.peer.delivered += 1
            uid = rig.peer.delivered
            [own] = {_name(file.name) for file in rig.peer.dovecot.files()} - before
        await _looked(rig, uid)
        marked = (file.name for file in rig.peer.dovecot.files() if file.name.endswith("S"))
        return Told.TAKEN if own in map(_name, marked) else Told.REFUSED


async def _looked(rig: Rig[MailServers], uid: int) -> None:
    """Wait until the reader has moved past a mail."""
    while await _position(rig) < uid:  # noqa: ASYNC110 - a memory tells nobody
        await asyncio.sleep(0.02)


async def _position(rig: Rig[MailServers]) -> int:
    found = await rig.context.memory.load(POSITION)
    return int(msgspec.json.decode(found)["uid"]) if found else -1


def _name(file: str) -> str:
    return file.partition(":")[0].partition(",")[0]
