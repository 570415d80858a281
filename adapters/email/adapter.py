"""The e-mail channel: one mailbox. Reads it with IMAP, answers with SMTP; everything between is pure.

Whoever reads holds the channel's lease: two readers would take the same mails. A lost connection ends :meth:`run` with
NotReachable; it is started again after a pause, with a new connection and, where tokens are used, a fresh token.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from pathlib import Path

from adapters.contract import Adapter, Context, Finding, Sent
from adapters.email import imap, smtp
from adapters.email.caps import Caps, whole_id
from adapters.email.compose import compose, message_id_of
from adapters.email.imap import CommandRefused, Connection
from adapters.email.intake import Intake
from adapters.email.mailbox import Mailbox, Stall
from adapters.email.notes import Shelf
from adapters.email.oauth import Tokens
from adapters.email.providers import login_hint
from adapters.email.settings import EmailSettings
from adapters.email.wire import Known, Limits, Ours, Signature, Writer
from adapters.errors import BadCredentials, NotAccepted, NotReachable, OutcomeUnknown, Refused, StartError
from adapters.pace import MINUTE, SECOND, Pace
from config import Secret
from normalizer.address import address
from normalizer.capabilities import Capabilities
from normalizer.content import Media, StoredFile, Text
from normalizer.outbound import Outbound

LARGEST_FILE = 18_000_000
"""Bytes; encoded for the way it is a third longer, and most providers take 25 MB in all."""

FIRST_PAUSE, LONGEST_PAUSE = 20 * SECOND, 30 * MINUTE
"""Grey-listing servers want to see the same mail again after some minutes, and not after some hours."""

FIRST_STORE_PAUSE, LONGEST_STORE_PAUSE = 0.5, 30.0
PARALLEL = 4
NOTES_AT_HAND = 256
SPARE = 10.0
"""Seconds for storing notes and composing, beside the times for the server."""


class Email(Adapter):
    """One mailbox."""

    type = "email"
    Settings = EmailSettings
    capabilities = Capabilities(
        text_limit=60_000, media={"*/*": LARGEST_FILE}, attachments=True, subject=True, replies=True
    )
    single_reader = True
    settings: EmailSettings

    def __init__(self, settings: EmailSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._ours = _ours(settings, context)
        self._writer = _writer(settings)
        self._tokens = Tokens(settings.oauth2, context) if settings.oauth2 else None
        self._imap = self._imap_server()
        self._relay = self._smtp_relay()
        self._stall = Stall(context.now)
        self._sent = Shelf(context.memory, "sent", context.now)
        self._taken = Shelf(context.memory, "taken", context.now, cached=NOTES_AT_HAND)
        limits = settings.limits
        self._intake = Intake(
            context,
            ours=self._ours,
            limits=Limits(size=limits.size, attachments=limits.attachments, attachment_size=limits.attachment),
            words=tuple(settings.accept.words),
            taken=self._taken,
            sent=self._sent,
        )
        self._caps = Caps(
            Shelf(context.memory, "automatic", context.now),
            context.now,
            automatic_every=limits.automatic_every,
            mails_per_hour=limits.mails_per_hour,
        )
        self.pace = Pace(
            call_timeout=_call_timeout(settings),
            first_pause=FIRST_PAUSE,
            longest_pause=LONGEST_PAUSE,
            patience=int(settings.retry_for),
            parallel=PARALLEL,
        )

    def secrets(self) -> Sequence[str]:
        """Name the passwords and what tokens are made from."""
        oauth2 = self.settings.oauth2
        found = (
            self.settings.password,
            self.settings.smtp.password,
            oauth2.client_secret if oauth2 else None,
            oauth2.refresh_token if oauth2 else None,
        )
        return [secret.reveal() for secret in found if secret is not None]

    # --- in ---

    async def run(self) -> None:
        """Read the mailbox until the connection is lost."""
        connection = await self._open()
        try:
            mailbox = self._mailbox(connection)
            try:
                await mailbox.open()
            except CommandRefused as exc:
                folder = self.settings.imap.folder  # somebody may have renamed it: that must not stop other channels
                raise NotReachable("no_folder", f"the folder {folder} (`imap.folder`) cannot be opened: {exc}") from exc
            while True:
                await self._catch_up(mailbox)
                await self._wait(connection)
        except CommandRefused as exc:
            raise NotReachable("command_refused", f"{self._imap.host} refuses a command: {exc}") from exc
        finally:
            await connection.close()

    async def _catch_up(self, mailbox: Mailbox) -> None:
        """Look at everything new; what the store does not take now stays in the mailbox, and is looked at again."""
        pause = FIRST_STORE_PAUSE
        while True:
            try:
                return await mailbox.catch_up()
            except NotAccepted as exc:
                self.context.log.warning("email.not_stored", reason=exc.message)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_STORE_PAUSE)

    async def _wait(self, connection: Connection) -> None:
        """Wait for a push, or where the server has none for the time of the next look."""
        if connection.has("IDLE"):
            await connection.wait_for_news(self.settings.imap.idle.seconds)
        else:
            await asyncio.sleep(self.settings.imap.poll.seconds)
            await connection.ask_for_news()

    async def _open(self) -> Connection:
        try:
            return await Connection.open(self._imap)
        except BadCredentials as exc:
            if self._tokens is not None:
                self._tokens.forget()
            raise BadCredentials(exc.code, f"{exc.message}. {login_hint(self._imap.host)}") from exc

    def _mailbox(self, connection: Connection) -> Mailbox:
        settings = self.settings
        return Mailbox(
            connection,
            self._intake,
            self.context.memory,
            account=settings.login,
            folder=settings.imap.folder,
            after=settings.after,
            first_start=settings.first_start,
            largest=settings.limits.size,
            stall=self._stall,
            now=self.context.now,
            log=self.context.log,
        )

    # --- out ---

    async def send(self, outbound: Outbound) -> Sent:
        """Send one mail; its Message-ID follows from the outbound id, so every attempt has the same."""
        await self._caps.admit(outbound)
        files = {file.name: await self._read(file) for file in _files(outbound)}
        try:
            mail = await asyncio.to_thread(compose, outbound, files, self._ours, self._writer)
        except ValueError as exc:
            raise Refused("not_composed", f"no mail can be made of this: {exc}") from exc
        del files
        known = Known(address=outbound.address, id=whole_id(outbound), conversation=outbound.conversation)
        await self._sent.keep(mail.message_id, known)
        try:
            await smtp.deliver(self._relay, mail)
        except BadCredentials as exc:
            if self._tokens is not None:
                self._tokens.forget()
            raise BadCredentials(exc.code, f"{exc.message}. {login_hint(self._relay.host)}") from exc
        return Sent(native_id=mail.message_id)

    async def find(self, outbound: Outbound) -> Sent | None:
        """Look in the folder of sent mail, where the provider keeps one. What is not there may still come."""
        if not self.settings.sent_folder:
            return None
        wanted = message_id_of(outbound, self._ours, self._writer)
        connection = await self._open()
        try:
            await connection.select(self.settings.sent_folder)
            found = await connection.search(f'HEADER Message-ID "{wanted}"')
        except CommandRefused as exc:
            raise OutcomeUnknown("not_told", f"the folder of sent mail cannot be searched: {exc}") from exc
        finally:
            await connection.close()
        if not found:
            raise OutcomeUnknown("not_found_yet", "the mail is not in the folder of sent mail")
        return Sent(native_id=wanted)

    async def _read(self, file: StoredFile) -> bytes:
        return b"".join([chunk async for chunk in self.context.media.read(file)])

    # --- check ---

    async def check(self) -> Sequence[Finding]:
        """Log in on both sides, and look for the folders and for push."""
        return [*await self._check_imap(), await self._check_smtp()]

    async def _check_imap(self) -> list[Finding]:
        settings, host = self.settings, self._imap.host
        connection = await self._open()
        try:
            logged_in = Finding(what=f"IMAP: {settings.login} is logged in at {host}", ok=True)
            there = [await _there(connection, name) for name in (settings.after.move_to, settings.sent_folder) if name]
            push = _push(settings, can=connection.has("IDLE"))
            return [logged_in, await _readable(connection, settings), *there, push]
        finally:
            await connection.close()

    async def _check_smtp(self) -> Finding:
        host = self._relay.host
        try:
            size = await smtp.look(self._relay)
        except BadCredentials as exc:
            raise BadCredentials(exc.code, f"{exc.message}. {login_hint(host)}") from exc
        except StartError as exc:
            return Finding(
                what=f"SMTP: {exc.message}", ok=False, remedy="check `smtp.host`, `smtp.port` and `smtp.tls`"
            )
        limit = f"mails up to {size} bytes" if size else "mails of any size, as it says"
        return Finding(what=f"SMTP: {host} lets us in and takes {limit}", ok=True)

    # --- servers ---

    def _imap_server(self) -> imap.Server:
        settings = self.settings
        return imap.Server(
            host=settings.imap.host,
            port=settings.imap.port,
            user=settings.login,
            secret=self._secret(settings.password),
            mechanism="xoauth2" if self._tokens else "password",
            tls=_tls(settings.imap.ca_file) if settings.imap.tls == "tls" else None,
            timeout=settings.imap.timeout.seconds,
        )

    def _smtp_relay(self) -> smtp.Relay:
        settings, own = self.settings.smtp, bool(self.settings.smtp.user)
        secret = self._secret(settings.password if own else self.settings.password, own=own)
        return smtp.Relay(
            host=settings.host,
            port=settings.port,
            security=settings.tls,
            tls=_tls(settings.ca_file) if settings.tls != "none" else None,
            user=settings.user or self.settings.login,
            secret=secret if settings.login else None,
            mechanism="xoauth2" if self._tokens and not own else "password",
            timeout=settings.timeout.seconds,
            data_timeout=settings.data_timeout.seconds,
            helo=self._writer.address.rpartition("@")[2],
            address=self._writer.address,
        )

    def _secret(self, password: Secret | None, *, own: bool = False) -> Callable[[], Awaitable[str]]:
        if self._tokens is not None and not own:
            return self._tokens.access

        async def reveal() -> str:
            return password.reveal() if password is not None else ""  # the settings demand one

        return reveal


def _call_timeout(settings: EmailSettings) -> int:
    server = smtp.PREPARING * settings.smtp.timeout.seconds + settings.smtp.data_timeout.seconds + smtp.QUIT_TIMEOUT
    return round((server + SPARE) * SECOND)


def _ours(settings: EmailSettings, context: Context) -> Ours:
    names = dict.fromkeys(
        address("email", text).removeprefix("email:") for text in (settings.address, *settings.aliases)
    )
    return Ours(mailboxes=tuple(names), key=context.secret("email tokens"), authserv=frozenset(settings.authserv))


def _writer(settings: EmailSettings) -> Writer:
    return Writer(
        address=address("email", settings.address).removeprefix("email:"),
        name=settings.name,
        signature=Signature(texts=settings.signature.texts, team=settings.signature.team),
        plus=settings.threads.plus,
        marker=settings.threads.marker,
        subject=settings.subject,
        languages=tuple(settings.languages),
    )


@lru_cache(maxsize=8)
def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """Make a context once for all mailboxes: it holds every certificate of the system."""
    return ssl.create_default_context(cafile=ca_file)


def _files(outbound: Outbound) -> list[StoredFile]:
    match outbound.content:
        case Text(attachments=attachments):
            return [media.file for media in attachments]
        case Media(file=file):
            return [file]
        case _:
            return []


async def _readable(connection: Connection, settings: EmailSettings) -> Finding:
    name = settings.imap.folder
    try:
        folder = await connection.select(name)
    except CommandRefused as exc:
        return Finding(what=f"folder {name} cannot be opened: {exc}", ok=False, remedy="correct `imap.folder`")
    return _writable(settings, writable=folder.writable)


def _writable(settings: EmailSettings, *, writable: bool) -> Finding:
    remedy = f"give {settings.login} the right to change flags in it, or set `after.seen` to false"
    what = f"folder {settings.imap.folder} can be {'changed' if writable else 'read only'}"
    return Finding(what=what, ok=writable, remedy="" if writable else remedy)


async def _there(connection: Connection, name: str) -> Finding:
    if await connection.exists(name):
        return Finding(what=f"folder {name} is there", ok=True)
    return Finding(what=f"there is no folder {name}", ok=False, remedy="make it, or correct its name in the settings")


def _push(settings: EmailSettings, *, can: bool) -> Finding:
    if can:
        return Finding(what="new mail is pushed (IDLE)", ok=True)
    return Finding(what=f"the server cannot push new mail (IDLE): it is asked every {settings.imap.poll}", ok=True)
