import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine

import pytest
import uvloop
from msgspec.structs import replace

from adapters.email.smtp import Relay, Step, deliver, look, to_error
from adapters.email.wire import Composed
from adapters.errors import (
    BadCredentials,
    ChannelError,
    NotReachable,
    OutcomeUnknown,
    Refused,
    TryLater,
    Unreachable,
)
from adapters.session import send_by
from tests.fixtures.smtp import PASSWORD, USER, Sink, always, cut, hang

MAIL = Composed(
    message_id="<1@shop.example>",
    return_path="support@shop.example",
    recipient="zoe@customer.example",
    data=b"From: support@shop.example\r\nSubject: re\r\n\r\n.hidden\r\nhello\r\n",
)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink() as sink:
        yield sink


async def secret() -> str:
    return PASSWORD


def relay(sink: Sink, **changes: object) -> Relay:
    words = {"host": "127.0.0.1", "port": sink.port, "security": "none", "user": USER, "secret": secret} | changes
    return Relay(**words)  # type: ignore[arg-type]  # words of a test


async def outcome(sink: Sink, mail: Composed = MAIL, **changes: object) -> Exception | None:
    try:
        async with asyncio.timeout(30):
            await deliver(relay(sink, **changes), mail)
    except ChannelError as exc:
        return exc
    return None


async def test_a_mail_arrives_as_it_was_made(sink: Sink) -> None:
    assert await outcome(sink) is None
    assert [(t.sender, t.recipients, t.data) for t in sink.taken] == [
        ("support@shop.example", ("zoe@customer.example",), MAIL.data)
    ]


async def test_every_mail_has_a_connection_of_its_own(sink: Sink) -> None:
    await asyncio.gather(*(outcome(sink) for _ in range(5)))
    assert sink.connections == len(sink.taken) == 5


async def test_an_automatic_mail_has_no_sender_to_answer(sink: Sink) -> None:
    assert (
        await outcome(sink, Composed(message_id="<2@x>", return_path="", recipient="z@c.example", data=b"x\r\n"))
        is None
    )
    assert sink.taken[0].sender == "<>" or not sink.taken[0].sender


async def test_a_server_that_wants_a_sender_gets_ours(sink: Sink) -> None:
    sink.nobody = "550 5.7.60 you may not send as this sender"
    mail = Composed(message_id="<2@x>", return_path="", recipient="z@c.example", data=b"x\r\n")
    assert await outcome(sink, mail, address="support@shop.example") is None
    assert sink.taken[0].sender == "support@shop.example"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ("451 4.7.1 greylisted, come back later", TryLater, "smtp_451"),
        ("452 4.2.2 mailbox full", TryLater, "smtp_452"),
        ("421 4.3.2 shutting down", TryLater, "smtp_421"),
        ("550 5.1.1 no such user", Unreachable, "no_such_mailbox"),
        ("550 who is that", Unreachable, "no_such_mailbox"),
        ("550 5.7.1 you are on a list", Refused, "smtp_550"),
        ("552 5.2.2 mailbox full", Refused, "too_big"),
        ("530 5.7.0 authentication required", BadCredentials, "login_refused"),
    ],
)
async def test_a_refused_recipient_says_what_follows(
    sink: Sink, answer: str, kind: type[ChannelError], code: str
) -> None:
    sink.recipient = always(answer)
    found = await outcome(sink)
    assert type(found) is kind
    assert isinstance(found, ChannelError)
    assert found.code == code
    assert answer[:3] in found.message
    assert sink.mailed == 0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("451 4.3.0 try again", TryLater), ("554 5.6.0 this is spam", Refused), ("552 5.3.4 too big", Refused)],
)
async def test_a_refused_mail_was_not_sent(sink: Sink, answer: str, kind: type[ChannelError]) -> None:
    for place in ("before", "after"):
        setattr(sink, place, always(answer))
        assert type(await outcome(sink)) is kind
    assert sink.taken == []


async def test_a_connection_lost_before_the_mail_is_tried_again(sink: Sink) -> None:
    sink.before = cut
    found = await outcome(sink)
    assert isinstance(found, TryLater)
    assert found.code == "connection_lost"


async def test_a_server_that_is_silent_before_the_mail_is_tried_again(sink: Sink) -> None:
    sink.before = hang
    assert isinstance(await outcome(sink, timeout=0.3), TryLater)
    sink.before = always("")
    sink.recipient = hang
    assert isinstance(await outcome(sink, timeout=0.3), TryLater)
    assert sink.mailed == 0


async def test_a_process_that_stood_still_before_the_mail_does_not_send_it_any_more(sink: Sink) -> None:
    """By then another one may have been told to send it, or what comes behind it."""
    deadline = time.monotonic() + 3

    async def stand_still(_sink: Sink) -> str:
        await asyncio.sleep(deadline - time.monotonic())
        return ""

    sink.before = stand_still
    with send_by(deadline):
        found = await outcome(sink)
    assert type(found) is TryLater
    assert found.code == "stood_still"
    assert (sink.mailed, sink.taken) == (0, [])


async def test_a_connection_lost_after_the_mail_leaves_a_doubt(sink: Sink) -> None:
    sink.after = cut
    found = await outcome(sink)
    assert isinstance(found, OutcomeUnknown)
    assert found.code == "connection_lost"
    assert sink.mailed == 1


async def test_a_server_that_is_silent_after_the_mail_leaves_a_doubt(sink: Sink) -> None:
    sink.after = hang
    found = await outcome(sink, data_timeout=0.3)
    assert isinstance(found, OutcomeUnknown)
    assert found.code == "timeout"
    assert sink.mailed == 1


async def give_up_before_the_end(*, cancelled: bool) -> None:
    async with Sink(size=0) as sink:

        async def stop_reading(sink: Sink) -> str:
            sink.pause()
            return ""

        sink.before = stop_reading
        mail = replace(MAIL, data=MAIL.data + (b"x" * 70 + b"\r\n") * 700_000)
        if cancelled:
            sending = asyncio.create_task(outcome(sink, mail))
            await sink.paused.wait()
            await asyncio.sleep(0.2)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        else:
            found = await outcome(sink, mail, data_timeout=1.0)
            assert type(found) is TryLater
            assert found.code == "too_slow"
        sink.go_on()
        await sink.left()
        assert (sink.mailed, sink.taken) == (0, [])


@pytest.mark.parametrize("cancelled", [False, True], ids=["the server's time", "the call's time"])
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_mail_that_is_not_written_whole_in_time_was_not_sent_and_never_follows(
    run: Callable[[Coroutine[None, None, None]], None],
    cancelled: bool,  # noqa: FBT001 - pytest gives it
) -> None:
    run(give_up_before_the_end(cancelled=cancelled))


async def test_a_wrong_password_is_told_as_such(sink: Sink) -> None:
    async def wrong() -> str:
        return "nope"

    found = await outcome(sink, secret=wrong)
    assert isinstance(found, BadCredentials)
    assert "nope" not in found.message


async def test_a_login_that_must_wait_is_not_a_wrong_password(sink: Sink) -> None:
    sink.login_answer = "454 4.7.0 temporary authentication failure"
    assert isinstance(await outcome(sink), NotReachable)


async def test_the_end_of_passwords_is_told_as_wrong_credentials(sink: Sink) -> None:
    sink.login_answer = "550 5.7.30 Basic authentication is not supported"
    assert isinstance(await outcome(sink), BadCredentials)


async def test_a_server_without_login_says_what_to_set() -> None:
    async with Sink(login=False) as sink:
        found = await outcome(sink)
        assert isinstance(found, BadCredentials)
        assert "smtp.login" in found.message
        assert await outcome(sink, secret=None) is None


async def test_a_mail_that_is_too_big_is_refused_before_it_is_sent() -> None:
    async with Sink(size=1_000) as sink:
        found = await outcome(
            sink, Composed(message_id="<3@x>", return_path="a@b.example", recipient="z@c.example", data=b"x" * 2_000)
        )
        assert isinstance(found, Refused)
        assert found.code == "too_big"
        assert await look(relay(sink)) == 1_000


async def test_an_address_outside_ascii_goes_where_it_can(sink: Sink) -> None:
    mail = Composed(message_id="<4@x>", return_path="a@b.example", recipient="зоя@c.example", data=b"x\r\n", utf8=True)
    assert await outcome(sink, mail) is None
    assert sink.taken[0].recipients == ("зоя@c.example",)


async def test_an_address_with_a_command_in_it_is_refused(sink: Sink) -> None:
    mail = Composed(message_id="<5@x>", return_path="a@b.example", recipient="z@c.example>\r\nRSET", data=b"x\r\n")
    assert isinstance(await outcome(sink, mail), Refused)
    assert sink.mailed == 0


async def test_nobody_listening_is_not_reachable(unused_tcp_port: int) -> None:
    with pytest.raises(NotReachable):
        await deliver(Relay(host="127.0.0.1", port=unused_tcp_port, security="none"), MAIL)
    with pytest.raises(NotReachable):
        await look(Relay(host="127.0.0.1", port=unused_tcp_port, security="none"))


async def test_a_server_without_tls_gets_no_password(sink: Sink) -> None:
    for security in ("tls", "starttls"):
        found = await outcome(sink, security=security, tls=ssl.create_default_context(), timeout=2.0)
        assert isinstance(found, NotReachable)
    assert sink.logins == []


@pytest.mark.parametrize("step", ["connect", "login", "sender", "recipient", "data", "message"])
@pytest.mark.parametrize("code", [-1, 199, 354, 421, 450, 500, 535, 550, 599])
def test_no_answer_is_left_without_a_meaning(step: Step, code: int) -> None:
    found = to_error(step, code, "words \r\n of a server")
    assert found.code.isascii()
    assert "\n" not in found.message
    if code < 500:
        assert isinstance(found, TryLater | NotReachable)
