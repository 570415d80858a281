"""One IMAP connection over the protocol of aioimaplib, around whose faults this module is built.

aioimaplib (2.0) tells of a lost connection by a callback alone, so every wait is raced with it and bounded. It cannot
be used again after a time-out, so neither can an object of this module. A chunk of about a thousand response lines
overflows its stack, so no more than 200 mails are asked for at a time. Its client class is not used: ``idle_start`` may
never return, ``IMAP4_SSL`` drops the callback, and nothing there notes the news that come beside an answer.
"""

import asyncio
import base64
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, Self, TypeVar

from aioimaplib import AUTH, AioImapException, Command, FetchCommand, IMAP4ClientProtocol, Response, quoted
from msgspec import Struct

from adapters.email.imap_words import DELETED, SIZE, arrival, fetched, flags, mailbox_name, number, portions, uid_set
from adapters.errors import BadCredentials, NotReachable, StartError

logging.getLogger("aioimaplib").setLevel(logging.WARNING)  # below, it logs mails and tokens

MOST_AT_ONCE = 200
"""Mails in one FETCH: far below the lines at which aioimaplib's parser overflows."""

CLOSE_TIMEOUT = 2.0
LONGEST_FETCH = 600.0
"""Seconds that a large mail may take on a slow line, as long as something comes all the time."""

T = TypeVar("T")

_EXISTS = re.compile(rb"\* [0-9]+ EXISTS\b")

Login = Callable[[], Awaitable[str]]
"""Gives a password or a fresh token. Raises StartError."""


class Server(Struct, frozen=True, kw_only=True):
    """Where a connection goes. ``tls`` is None for a connection in the clear; ``timeout`` is in seconds."""

    host: str
    port: int
    user: str
    secret: Login
    mechanism: Literal["password", "xoauth2"] = "password"
    tls: ssl.SSLContext | None = None
    timeout: float = 30.0


class Folder(Struct, frozen=True, kw_only=True):
    """A selected folder as RFC 9051 section 6.3.2 describes it; ``next_uid`` is the least that the next mail gets."""

    validity: int
    next_uid: int
    writable: bool


class Item(Struct, frozen=True, kw_only=True):
    """A mail in the folder: ``size`` in bytes, ``arrived`` in ms since the epoch, 0 where the server does not say.

    ``mail`` is all of it, where that was asked for and it is small.
    """

    uid: int
    size: int
    arrived: int
    mail: bytes | None = None


class CommandRefused(Exception):
    """The server answered NO or BAD to a command; the connection still works."""


class Connection:
    """A connection that is logged in. Make it with :meth:`open`, leave it with :meth:`close`.

    Every method raises NotReachable when the connection is lost or too slow; after that it can only be closed.
    """

    def __init__(self, server: Server) -> None:
        loop = asyncio.get_running_loop()
        self._server = server
        self._lost: asyncio.Future[None] = loop.create_future()
        self._protocol = _Protocol(loop, self._lose)

    @classmethod
    async def open(cls, server: Server) -> Self:
        """Connect and log in. Raises StartError."""
        connection = cls(server)
        try:
            await connection._connect()
            await connection._log_in()
        except BaseException:
            connection._abort()
            raise
        return connection

    def has(self, capability: str) -> bool:
        """Whether the server can do something, such as ``IDLE`` or ``MOVE``."""
        return capability in self._protocol.capabilities

    async def select(self, folder: str) -> Folder:
        """Open a folder. Raises CommandRefused when there is none of that name."""
        text = _words(await self._ask("SELECT", self._protocol.select(mailbox_name(folder))))
        validity, following = number(rb"\[UIDVALIDITY ([0-9]+)\]", text), number(rb"\[UIDNEXT ([0-9]+)\]", text)
        if not following:  # RFC 9051 demands it, RFC 3501 did not
            following = max(await self.search("UID *"), default=0) + 1
        return Folder(validity=validity, next_uid=following, writable=b"[READ-ONLY]" not in text)

    async def search(self, criteria: str) -> list[int]:
        """Give the UIDs that match, in order. Raises CommandRefused."""
        self._protocol.news = False
        lines = await self._ask("UID SEARCH", self._protocol.search(criteria, charset=None, by_uid=True))
        return sorted({int(word) for word in _words(lines[:-1]).split() if word.isdigit()})

    async def items(self, uids: Sequence[int], *, below: int = 0) -> list[Item]:
        """Describe at most 200 mails, and give those that are ``below`` so many bytes with them.

        Those that are gone are left out. Raises CommandRefused.
        """
        beginning = f" BODY.PEEK[]<0.{below}>" if below else ""
        found = await self._fetch(uids, f"(UID RFC822.SIZE INTERNALDATE{beginning})")
        described = [_item(uid, text, body, below) for uid, text, body in found if SIZE.search(text)]
        return sorted(described, key=lambda item: item.uid)

    async def bodies(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Give at most 200 whole mails, by UID, without marking them; those that are gone are left out."""
        return {uid: body for uid, _, body in await self._fetch(uids, "(UID BODY.PEEK[])") if body is not None}

    async def header(self, uid: int) -> bytes:
        """Give the header of one mail, empty when it is gone."""
        return next((body for _, _, body in await self._fetch([uid], "(UID BODY.PEEK[HEADER])") if body), b"")

    async def flags(self, uids: Sequence[int]) -> dict[int, frozenset[str]]:
        """Give the flags of at most 200 mails, by UID, in lower case; those that are gone are left out."""
        found = {uid: flags(text) for uid, text, _ in await self._fetch(uids, "(UID FLAGS)")}
        return {uid: found[uid] for uid in uids if uid in found}  # servers tell of other mails beside an answer

    async def flag(self, uids: Sequence[int], words: str) -> None:
        r"""Add flags (such as ``\Seen``) to mails. Raises CommandRefused."""
        for some in portions(uids, MOST_AT_ONCE):
            await self._ask("UID STORE", self._protocol.uid("STORE", uid_set(some), "+FLAGS.SILENT", f"({words})"))

    async def move(self, uids: Sequence[int], folder: str) -> None:
        """Move mails (RFC 6851), by copying and deleting where the server cannot. Raises CommandRefused.

        A mail that is marked as deleted was copied before its move was cut off, so it is not copied again.
        """
        target = mailbox_name(folder)
        for some in portions(uids, MOST_AT_ONCE):
            if self.has("MOVE"):
                await self._ask("UID MOVE", self._protocol.uid("MOVE", uid_set(some), target))
                continue
            known = await self.flags(some)
            if rest := [uid for uid in some if uid in known and DELETED not in known[uid]]:
                await self._ask("UID COPY", self._protocol.uid("COPY", uid_set(rest), target))
                await self.flag(rest, r"\Deleted")
            if self.has("UIDPLUS"):
                await self._ask("UID EXPUNGE", self._protocol.uid("EXPUNGE", uid_set(some)))

    async def exists(self, folder: str) -> bool:
        """Whether there is a folder of that name."""
        try:
            await self._ask("STATUS", self._protocol.simple_command("STATUS", mailbox_name(folder), "(UIDVALIDITY)"))
        except CommandRefused:
            return False
        return True

    async def ask_for_news(self) -> None:
        """Let the server look at the folder: a search alone may know no more than the last answer did."""
        await self._ask("NOOP", self._protocol.simple_command("NOOP"))

    async def wait_for_news(self, seconds: float) -> None:
        """Wait until the server has said more than the last search knew, or for so long (IDLE, RFC 2177)."""
        if self._protocol.news or self._lost.done():
            return  # what was said beside an answer is not said again in IDLE
        async with _Tasks() as tasks:
            idling = tasks.start(self._protocol.idle())
            await self._first(self._server.timeout, tasks.start(self._protocol.wait_for_idle_response()), idling)
            if idling.done():
                raise CommandRefused(f"{self._server.host} refuses IDLE: {_outcome(idling)}")
            await self._first(seconds, tasks.start(self._protocol.told.wait()), idling, late_is_well=True)
            self._end_idling()
            await self._first(self._server.timeout, idling)
            self._protocol.idle_queue = asyncio.Queue()  # `told` has what matters of it

    def _end_idling(self) -> None:
        try:
            self._protocol.idle_done()
        except AioImapException as exc:
            raise self._gone() from exc

    async def close(self) -> None:
        """Say goodbye, if anybody still listens; bounded, and raises nothing of its own."""
        try:
            if not self._lost.done():
                if self._protocol.has_pending_idle_command():
                    self._end_idling()
                await self._bounded(self._protocol.logout(), CLOSE_TIMEOUT)
        except NotReachable:
            pass  # it was to end anyhow
        finally:
            self._abort()

    # --- beginning and end ---

    async def _connect(self) -> None:
        server, loop = self._server, asyncio.get_running_loop()
        place = f"{server.host}:{server.port}"
        try:
            async with asyncio.timeout(server.timeout):
                await loop.create_connection(lambda: self._protocol, server.host, server.port, ssl=server.tls)
        except TimeoutError as exc:
            raise NotReachable("too_slow", f"{place} does not answer within {server.timeout:g} s") from exc
        except ssl.SSLError as exc:
            raise NotReachable("tls", f"no secure connection to {place}: {exc.reason or exc}") from exc
        except OSError as exc:
            raise NotReachable("not_connected", f"{place} cannot be reached: {exc.strerror or exc}") from exc
        await self._bounded(self._protocol.wait("AUTH|NONAUTH"), server.timeout)

    async def _log_in(self) -> None:
        secret = await self._server.secret()
        if self._server.mechanism == "xoauth2":
            attempt = self._protocol.authenticate(self._server.user, secret)
        else:
            attempt = self._protocol.login(quoted(self._server.user), secret)
        try:
            await self._ask("LOGIN", attempt)
        except CommandRefused as exc:
            raise self._login_error(str(exc)) from exc
        await self._bounded(self._protocol.capability(), self._server.timeout)  # some say more after the login

    def _login_error(self, answer: str) -> StartError:
        """Tell a refusal from a server that has no time: RFC 5530 names the codes."""
        if re.search(r"\[(UNAVAILABLE|LIMIT|INUSE|SERVERBUG|CONTACTADMIN)\]", answer, re.IGNORECASE):
            return NotReachable("login_later", f"{self._server.host} cannot log us in now: {answer}")
        return BadCredentials("login_refused", f"{self._server.host} does not let {self._server.user} in: {answer}")

    def _lose(self, _reason: Exception | None = None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)

    def _abort(self) -> None:
        self._lose()
        if self._protocol.transport is not None:
            self._protocol.transport.abort()

    # --- asking ---

    async def _fetch(self, uids: Sequence[int], parts: str) -> list[tuple[int, bytes, bytes | None]]:
        if len(uids) > MOST_AT_ONCE:
            raise ValueError(f"{len(uids)} mails at once are too many: at most {MOST_AT_ONCE}")
        if not uids:
            return []
        asked = self._protocol.fetch_by_uid(uid_set(uids), parts, silence=self._server.timeout)
        return list(fetched(await self._ask("UID FETCH", asked, LONGEST_FETCH)))

    async def _ask(self, name: str, command: Awaitable[Response], seconds: float = 0.0) -> list[bytes | bytearray]:
        response = await self._bounded(command, seconds or self._server.timeout)
        lines: list[bytes | bytearray] = response.lines
        if response.result != "OK":
            answer = bytes(lines[-1]).decode("utf-8", "replace")[:200] if lines else ""
            raise CommandRefused(f"{name}: {response.result} {answer}")
        return lines

    async def _bounded(self, work: Awaitable[T], seconds: float) -> T:
        async with _Tasks() as tasks:
            task = tasks.start(work)
            try:
                await self._first(seconds, task)
                return task.result()
            except (AioImapException, TimeoutError) as exc:
                self._lose()
                raise NotReachable("protocol", f"{self._server.host}: {exc or type(exc).__name__}") from exc

    def _gone(self) -> NotReachable:
        return NotReachable("connection_lost", f"{self._server.host} has ended the connection")

    async def _first(self, seconds: float, *work: "asyncio.Future[Any]", late_is_well: bool = False) -> None:
        """Wait until one is done. Raises NotReachable when the connection is lost, or (mostly) when it takes longer."""
        await asyncio.wait((self._lost, *work), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if any(future.done() for future in work):
            return
        if self._lost.done():
            raise self._gone()
        if not late_is_well:
            self._lose()
            raise NotReachable("too_slow", f"{self._server.host} does not answer within {seconds:g} s")


class _Protocol(IMAP4ClientProtocol):  # type: ignore[misc]  # the library has no types
    """The library's protocol, which also notes news and can answer a refused token."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[[Exception | None], None]) -> None:
        super().__init__(loop, lost)
        self.told = asyncio.Event()

    @property
    def news(self) -> bool:
        """Whether the server has said since the last search that mails have come."""
        return self.told.is_set()

    @news.setter
    def news(self, told: bool) -> None:
        self.told.set() if told else self.told.clear()

    def _untagged_response(self, line: bytes) -> Command | None:
        if _EXISTS.match(line):
            self.told.set()
        return super()._untagged_response(line)

    def send(self, line: str, scrub: str | None = None) -> None:
        """Send a line; to a connection that is gone uvloop raises what nobody expects, and asyncio nothing."""
        if self.transport.is_closing():
            raise AioImapException("the connection is closed")
        super().send(line, scrub)

    async def fetch_by_uid(self, uids: str, parts: str, *, silence: float) -> Response:
        """Fetch; ``silence`` is how many seconds the server may say nothing."""
        return await self.execute(_Fetch(self.new_tag(), uids, parts, prefix="UID", loop=self.loop, timeout=silence))

    async def authenticate(self, user: str, token: str) -> Response:
        """Log in by XOAUTH2; a refusal is a challenge, and an empty line must be sent to learn the result."""
        words = base64.b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode()).decode()
        async with self.state_condition:
            response = await self.execute(_Authenticate(self.new_tag(), words, lambda: self.send("")))
            if response.result == "OK":
                self.state = AUTH
        return response


class _Fetch(FetchCommand):  # type: ignore[misc]  # the library has no types
    """A FETCH command that counts brackets as they come; the library counts all that it has at each line."""

    _open = 0

    def append_to_resp(self, line: bytes | bytearray, result: str = "Pending") -> None:
        """Take a line of the server, or (a bytearray) a literal."""
        if isinstance(line, bytes):
            before = 0 if self.FETCH_MESSAGE_DATA_RE.match(line) else self._open
            self._open = before + line.count(b"(") - line.count(b")")
        super().append_to_resp(line, result)

    def wait_data(self) -> bool:
        """Whether the answer about a mail goes on in the next line."""
        return self._open != 0


class _Authenticate(Command):  # type: ignore[misc]  # the library has no types
    """An AUTHENTICATE command that answers a challenge."""

    def __init__(self, tag: str, words: str, answer: Callable[[], None]) -> None:
        super().__init__("AUTHENTICATE", tag, "XOAUTH2", words)
        self._answer = answer

    def append_to_resp(self, line: bytes, result: str = "Pending") -> None:
        """Take a line of the server."""
        super().append_to_resp(line, result)
        if line.startswith(b"+"):
            self._answer()


class _Tasks:
    """Tasks that end with the block; what they still raise is of no interest to anybody."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Future[Any]] = []

    def start(self, work: Awaitable[T]) -> "asyncio.Future[T]":
        """Begin a task."""
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        return task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _item(uid: int, text: bytes, beginning: bytes | None, below: int) -> Item:
    """Describe a mail. A beginning that is not as long as the server says is not believed to be the whole of it."""
    size = number(SIZE, text)
    whole = beginning is not None and len(beginning) == size < below
    return Item(uid=uid, size=size, arrived=arrival(text), mail=beginning if whole else None)


def _outcome(task: "asyncio.Future[Any]") -> str:
    return str(task.exception() or bytes(task.result().lines[-1]).decode("utf-8", "replace")[:200])


def _words(lines: Iterable[bytes | bytearray]) -> bytes:
    return b"\n".join(line for line in lines if isinstance(line, bytes))
