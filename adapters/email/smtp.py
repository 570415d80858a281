"""Handing one mail over to an SMTP server, and what each answer means (RFC 5321; enhanced codes: RFC 3463).

Each mail has a connection of its own: a kept one may just be ending. The steps are taken one by one, so that it is
known how far it came. Before the last line of the mail is written nothing was sent; from then on, and until the server
answers, nobody knows. There is one recipient, so there are no partial refusals.
"""

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Literal, cast

import aiosmtplib
from aiosmtplib.email import quote_address
from aiosmtplib.protocol import PERIOD_REGEX, SMTPProtocol, normalize_message_line_endings
from msgspec import Struct

from adapters.email.wire import Composed
from adapters.errors import (
    BadCredentials,
    ChannelError,
    NotReachable,
    OutcomeUnknown,
    Refused,
    SendError,
    StartError,
    TryLater,
    Unreachable,
)
from adapters.session import sending_until

PREPARING = 2
"""So many times the time for one command may go by before the mail itself."""

QUIT_TIMEOUT = 2.0
OK, START_INPUT = 250, 354
PERMANENT = 500

Step = Literal["connect", "login", "sender", "recipient", "data", "message"]

WRONG_LOGIN = frozenset({530, 534, 535, 538})
NO_SUCH_RECIPIENT = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.0", "5.2.1", "5.4.4"})
PLAIN_NO_SUCH_RECIPIENT = frozenset({550, 551, 553})
TOO_BIG = 552
_ENHANCED = re.compile(r"\b([245]\.[0-9]{1,3}\.[0-9]{1,3})\b")
_PROVIDER_ENDED_PASSWORDS = "5.7.30"


class Relay(Struct, frozen=True, kw_only=True):
    """Where mail is handed over. ``secret`` gives a password or a token; None: no login. Times in seconds.

    ``address`` is ours: the sender of mail that wants none, where the server does not let us name nobody.
    """

    host: str
    port: int
    security: Literal["tls", "starttls", "none"] = "tls"
    tls: ssl.SSLContext | None = None
    user: str = ""
    secret: Callable[[], Awaitable[str]] | None = None
    mechanism: Literal["password", "xoauth2"] = "password"
    timeout: float = 30.0
    data_timeout: float = 180.0
    helo: str = "localhost"
    address: str = ""


async def deliver(relay: Relay, mail: Composed) -> None:
    """Hand a mail over; when this returns the server is responsible for it.

    Raises:
        SendError, StartError: see :func:`to_error`.
    """
    client = _client(relay)
    try:
        payload = _payload(mail.data)
        try:
            async with asyncio.timeout(PREPARING * relay.timeout):
                await _connect(client, relay)
                await _envelope(client, relay, mail, len(payload))
        except TimeoutError as exc:
            raise TryLater("too_slow", f"{relay.host} takes too long before it takes a mail") from exc
        await _message(client, payload, relay.data_timeout)
    finally:
        await _leave(client)


async def look(relay: Relay) -> int:
    """Connect, log in and leave; give the largest mail in bytes that the server says it takes, 0: it does not say.

    Raises:
        StartError: it cannot be had.
    """
    client = _client(relay)
    try:
        async with asyncio.timeout(PREPARING * relay.timeout):
            await _connect(client, relay)
        return _size_limit(client)
    except TimeoutError as exc:
        raise NotReachable("too_slow", f"{relay.host} takes too long") from exc
    finally:
        await _leave(client)


def _client(relay: Relay) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        timeout=relay.timeout,
        use_tls=relay.security == "tls",
        start_tls=relay.security == "starttls",
        tls_context=relay.tls,
        local_hostname=relay.helo,
    )


async def _connect(client: aiosmtplib.SMTP, relay: Relay) -> None:
    """Connect and log in. Raises StartError."""
    try:
        await client.connect()
        await client.ehlo()
    except aiosmtplib.SMTPResponseException as exc:
        raise to_error("connect", exc.code, exc.message) from exc
    except (aiosmtplib.SMTPException, OSError, ValueError) as exc:
        place = f"{relay.host}:{relay.port}"
        raise NotReachable("not_connected", f"{place} cannot be reached: {str(exc) or type(exc).__name__}") from exc
    if relay.secret is not None:
        await _log_in(client, relay, await relay.secret())


async def _log_in(client: aiosmtplib.SMTP, relay: Relay, secret: str) -> None:
    try:
        if relay.mechanism == "xoauth2":
            await client.auth_xoauth2(relay.user, secret)
        else:
            await client.login(relay.user, secret)
    except aiosmtplib.SMTPResponseException as exc:
        raise to_error("login", exc.code, exc.message) from exc
    except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError) as exc:
        raise NotReachable("login_lost", f"{relay.host} does not answer to the login") from exc
    except aiosmtplib.SMTPException as exc:
        remedy = "set `smtp.login` to false, or use the port for submission with TLS"
        raise BadCredentials("no_login", f"{relay.host} offers no login that we know: {remedy}") from exc


async def _envelope(client: aiosmtplib.SMTP, relay: Relay, mail: Composed, size: int) -> None:
    """Name sender and recipient, and ask to go on; nothing is sent yet."""
    if quote_address(mail.recipient) != f"<{mail.recipient}>":  # the library would send to what it makes of it
        raise _bad_address(mail)
    limit = _size_limit(client)
    if limit and size > limit:
        raise Refused("too_big", f"the mail has {size} bytes, and the server takes {limit}: send a smaller file")
    options, encoding = [f"SIZE={size}"] if client.supports_extension("size") else [], "ascii"
    if mail.utf8:
        if not client.supports_extension("smtputf8"):
            raise Refused("smtputf8", f"the server cannot send to {mail.recipient}: it knows ASCII addresses only")
        options, encoding = [*options, "SMTPUTF8"], "utf-8"
    step: Step = "sender"
    try:
        try:
            await client.mail(mail.return_path, options=options, encoding=encoding)
        except aiosmtplib.SMTPSenderRefused as exc:
            if mail.return_path or exc.code < PERMANENT:
                raise
            await client.mail(relay.address, options=options, encoding=encoding)
        step = "recipient"
        await client.rcpt(mail.recipient, encoding=encoding)
        answer = await client.execute_command(b"DATA")
    except aiosmtplib.SMTPResponseException as exc:
        raise to_error(step, exc.code, exc.message) from exc
    except ValueError as exc:
        raise _bad_address(mail) from exc
    except (aiosmtplib.SMTPException, OSError) as exc:
        raise TryLater("connection_lost", "the mail server has ended the connection before the mail") from exc
    if answer.code != START_INPUT:
        raise to_error("data", answer.code, answer.message)


def _bad_address(mail: Composed) -> Refused:
    return Refused("bad_address", f"{mail.recipient!r} is not an address that mail can be sent to")


async def _message(client: aiosmtplib.SMTP, payload: bytes, seconds: float) -> None:
    """Send the mail itself; between its last line and the answer lies the moment that nobody can know about."""
    protocol = client.protocol
    if protocol is None:
        raise TryLater("connection_lost", "the mail server has ended the connection before the mail")
    if time.monotonic() >= sending_until():
        raise TryLater("stood_still", "this process stood still, and the time to send the mail has passed")
    try:
        protocol.write(payload)
        answer = await protocol.read_response(timeout=seconds)
    except asyncio.CancelledError:
        _give_up(protocol)
        raise
    except aiosmtplib.SMTPTimeoutError as exc:
        if _give_up(protocol):
            raise TryLater(
                "too_slow", "the connection is too slow for the mail: it was not sent whole in time"
            ) from exc
        raise OutcomeUnknown("timeout", "the mail server did not answer in time and may have taken the mail") from exc
    except (aiosmtplib.SMTPException, OSError) as exc:
        raise OutcomeUnknown("connection_lost", "the connection broke before the answer to the mail") from exc
    if answer.code // 100 != OK // 100:
        raise to_error("message", answer.code, answer.message)


def _give_up(protocol: SMTPProtocol) -> bool:
    """End the connection at once, and say whether the mail's last line was certainly not sent.

    A connection that is closed in order writes on, so a mail that was given up would arrive after all.
    """
    transport = cast("asyncio.WriteTransport | None", protocol.transport)  # those of uvloop are no instances of it
    if transport is None:
        return False
    unwritten = transport.get_write_buffer_size()
    transport.abort()
    return unwritten > 0


def to_error(step: Step, code: int, message: str) -> ChannelError:
    """Give what an answer other than "go on" means at a step. In each case the mail was certainly not sent."""
    said = " ".join(message.split())[:300]
    found = _ENHANCED.search(message)
    enhanced = found[1] if found else ""
    if not PERMANENT <= code < PERMANENT + 100:
        return _for_now(step, code, said)
    if step == "login" or code in WRONG_LOGIN or enhanced == _PROVIDER_ENDED_PASSWORDS:
        return BadCredentials("login_refused", f"the mail server does not let us in: {code} {said}")
    if step == "connect":
        return NotReachable(f"smtp_{code}", f"the mail server does not serve us: {code} {said}")
    return _for_ever(step, code, enhanced, said)


def _for_now(step: Step, code: int, said: str) -> SendError | StartError:
    if step in ("connect", "login"):
        return NotReachable(f"smtp_{code}", f"the mail server has no time: {code} {said}")
    return TryLater(f"smtp_{code}", f"the mail server puts the mail off: {code} {said}")


def _for_ever(step: Step, code: int, enhanced: str, said: str) -> Refused:
    if code == TOO_BIG or enhanced in ("5.3.4", "5.2.3"):
        return Refused("too_big", f"the mail is too big for the receiver, or their mailbox is full: {code} {said}")
    missing = enhanced in NO_SUCH_RECIPIENT or (not enhanced and code in PLAIN_NO_SUCH_RECIPIENT)
    if step == "recipient" and missing:
        return Unreachable("no_such_mailbox", f"there is no such mailbox: {code} {said}")
    return Refused(f"smtp_{code}", f"the mail server refuses the mail: {code} {said}")


def _payload(data: bytes) -> bytes:
    """Give the mail as it travels: lines end in CRLF, dots are doubled, a dot ends it all (RFC 5321 section 4.5.2)."""
    return PERIOD_REGEX.sub(b"..", normalize_message_line_endings(data)) + b".\r\n"


def _size_limit(client: aiosmtplib.SMTP) -> int:
    """Give what the server announces by SIZE (RFC 1870)."""
    announced = client.esmtp_extensions.get("size", "")
    return int(announced) if announced.isdecimal() else 0


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye; what was to be known is known already."""
    try:
        async with asyncio.timeout(QUIT_TIMEOUT):
            if client.is_connected:
                await client.quit()
    except (aiosmtplib.SMTPException, OSError):
        pass  # the server did not wait for it
    finally:
        client.close()
