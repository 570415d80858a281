"""From the bytes of a mail to a stored envelope; a mail that cannot be read becomes a dead letter here."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from msgspec.structs import replace

from adapters.contract import Context, FileTooBig
from adapters.email.automatic import OURS
from adapters.email.bounces import to_receipt
from adapters.email.filters import filter_mail
from adapters.email.imap import Item
from adapters.email.mapping import remembered, to_envelope
from adapters.email.notes import Note, Shelf
from adapters.email.parse import parse_mail
from adapters.email.threads import thread
from adapters.email.wire import Attachment, Bounce, Known, Limits, Mailbox, Ours, ParsedMail, Stored, Threading
from adapters.errors import EnvelopeRefused
from normalizer.content import StoredFile
from web.uploads import sniff

DEAD_BYTES = 200_000
"""Of a mail that is kept with the dead letters: its beginning."""

READ_AT_ONCE = 8 * 1024
"""Bytes of mails that are read in one turn of the loop (0.1 ms for each mail); a larger one is read in a thread.

A thread costs more than a small mail, and holds the others up for 5 ms a turn.
"""

MOST_LOOKED_UP = 30
SNIFFED = 4_096
SAME_ID = "Another mail of this sender has the same Message-ID: one may be a copy that was changed, or forged."
CHUNK = 64 * 1024


class Intake:
    """Takes the mails of one mailbox: :class:`adapters.email.mailbox.Taker`."""

    def __init__(  # noqa: PLR0913  # what it is wired to, by name
        self, context: Context, *, ours: Ours, limits: Limits, words: tuple[str, ...], taken: Shelf, sent: Shelf
    ) -> None:
        self._context = context
        self._ours = ours
        self._limits = limits
        self._words = words
        self._taken = taken
        self._sent = sent

    async def take(self, mails: Sequence[bytes]) -> list[bool]:
        """Take mails, those of each sender in order, and say of each whether it was; then it cannot be lost.

        Those that were not stay in the mailbox as they are.

        Raises:
            NotAccepted: one could not be stored in time.
        """
        read = [parsed async for parsed in self._read_aside(mails)]
        lines: dict[str, list[int]] = {}
        for number, parsed in enumerate(read):
            lines.setdefault(_line(parsed), []).append(number)
        taken = [False] * len(mails)

        async def take_line(numbers: Sequence[int]) -> None:
            for number in numbers:
                taken[number] = await self._take(read[number], mails[number])

        for outcome in await asyncio.gather(*map(take_line, lines.values()), return_exceptions=True):
            if outcome is not None:
                raise outcome
        return taken

    async def give_up(self, header: bytes, item: Item, reason: str) -> None:
        """Put a mail that cannot be had with the dead letters."""
        await self._bury(reason, header, f"a mail of {item.size} bytes (UID {item.uid}); this is its header")

    # --- what it is ---

    async def _read_aside(self, mails: Sequence[bytes]) -> AsyncIterator[ParsedMail | Exception]:
        """Read mails without standing in anybody's way for long."""
        room = READ_AT_ONCE
        for mail in mails:
            if len(mail) > READ_AT_ONCE:
                yield await asyncio.to_thread(self._read, mail)
                continue
            if len(mail) > room:
                await asyncio.sleep(0)
                room = READ_AT_ONCE
            room -= len(mail)
            yield self._read(mail)

    def _read(self, mail: bytes) -> ParsedMail | Exception:
        try:
            return parse_mail(mail, now_ms=self._context.now(), ours=self._ours, limits=self._limits)
        except Exception as exc:  # noqa: BLE001  # a stranger's mail stops no mailbox, whatever is in it
            return exc

    async def _take(self, parsed: ParsedMail | Exception, mail: bytes) -> bool:
        if isinstance(parsed, Exception):
            self._note_fault("email.not_read", parsed)
            await self._bury("not_read", mail, f"the mail could not be read: {type(parsed).__name__}")
            return False
        first = await self._taken.find(parsed.message_id) if parsed.message_id else None
        if await self._was_taken(parsed, first):
            self._context.count("again")
            return True
        if first is not None and await self._has_another_of_its_sender(parsed):
            parsed = replace(parsed, defects=(*parsed.defects, SAME_ID))
        return await self._judge(parsed, mail)

    async def _judge(self, parsed: ParsedMail, mail: bytes) -> bool:
        if parsed.bounce is not None and await self._report(parsed.bounce):
            return await self._done(parsed, "bounce")
        if parsed.receipt:
            return await self._done(parsed, "read_receipt")
        if parsed.sender is None:
            await self._bury("no_sender", mail, "the mail names nobody that could be answered")
            return False
        if parsed.automatic in OURS:
            self._context.count("own")
            return False
        threading = await self._thread(parsed)
        answers = threading.signal is not None and not threading.foreign
        verdict = filter_mail(parsed, self._words, answers=answers)
        if not verdict.taken:
            self._context.count("filtered")
            return False
        return await self._accept(parsed, threading, mail)

    async def _report(self, bounce: Bounce) -> bool:
        """Report a bounce; False: it names no mail of ours, so it is a mail like any other."""
        note = await self._sent.find(bounce.message_id) if bounce.message_id else None
        receipt = to_receipt(bounce, note.known if note else None, self._ours, now_ms=self._context.now())
        if receipt is None:
            return False
        try:
            await self._context.report(receipt, stored=True)
        except EnvelopeRefused as exc:
            self._context.log.warning("email.bounce_refused", reason=exc.message)
        return True

    async def _thread(self, parsed: ParsedMail) -> Threading:
        known: dict[str, Known] = {}
        for message_id in parsed.mentioned[:MOST_LOOKED_UP]:
            note = await self._sent.find(message_id) or await self._find_taken(message_id, parsed.sender)
            if note is not None and note.known.address:
                known[message_id] = note.known
        return thread(parsed, known, self._ours)

    async def _find_taken(self, message_id: str, sender: Mailbox | None) -> Note | None:
        """Look for the mail that is meant: the sender's own before one of somebody else that bears the same id."""
        first = await self._taken.find(message_id)
        if first is None or sender is None or first.known.address == _address(sender):
            return first
        return await self._taken.find(_own(message_id, _address(sender))) or first

    async def _accept(self, parsed: ParsedMail, threading: Threading, mail: bytes) -> bool:
        stored = await self._store(parsed)
        try:
            envelope = to_envelope(
                parsed, threading, stored, channel=self._context.channel, new_id=self._context.new_id()
            )
        except Exception as exc:  # noqa: BLE001  # as in `take`
            self._note_fault("email.not_mapped", exc)
            await self._bury("not_mapped", mail, f"the mail could not be translated: {type(exc).__name__}")
            return False
        try:
            await self._context.accept(envelope)
        except EnvelopeRefused:  # it stands with the dead letters
            return False
        return await self._done(parsed, "taken", remembered(parsed))

    # --- what is remembered ---

    async def _was_taken(self, parsed: ParsedMail, first: Note | None) -> bool:
        """Whether the first mail with its id is this one; without an id, or if that is another, its digest tells."""
        if first is not None and first.known.id == parsed.digest:
            return True
        return (first is not None or not parsed.message_id) and await self._taken.find(parsed.digest) is not None

    async def _has_another_of_its_sender(self, parsed: ParsedMail) -> bool:
        note = await self._find_taken(parsed.message_id, parsed.sender)
        return note is not None and parsed.sender is not None and note.known.address == _address(parsed.sender)

    async def _done(self, parsed: ParsedMail, event: str, known: Known | None = None) -> bool:
        note = known or Known(address="", id=parsed.digest)
        if not (parsed.message_id and await self._taken.add(parsed.message_id, note)):
            await self._taken.add(parsed.digest, note)
            if parsed.message_id and note.address:
                await self._taken.add(_own(parsed.message_id, note.address), note)
        self._context.count(event)
        return True

    # --- files ---

    async def _store(self, parsed: ParsedMail) -> Stored:
        files = [
            await self._put(attachment.data, f"{parsed.digest}/{number}")
            for number, attachment in enumerate(parsed.attachments)
        ]
        html = await self._put(parsed.html.encode(), f"{parsed.digest}/html") if parsed.html else None
        return Stored(attachments=tuple(files), types=tuple(map(_type, parsed.attachments)), html=html)

    async def _put(self, data: bytes, key: str) -> StoredFile | None:
        try:
            return await self._context.media.put(_chunks(data), limit=self._limits.size, key=f"email/{key}")
        except FileTooBig:
            return None

    def _note_fault(self, event: str, fault: Exception) -> None:
        """Log a fault of ours; what it says may quote the mail."""
        self._context.log.error(event, fault=type(fault).__name__)
        self._context.log.debug(event, exc_info=fault)

    async def _bury(self, reason: str, mail: bytes, detail: str) -> None:
        await self._context.dead(reason, mail[:DEAD_BYTES], detail)


def _address(sender: Mailbox) -> str:
    return f"email:{sender.address}"


def _own(message_id: str, address: str) -> str:
    """Name a sender's mail under an id that somebody else has used before."""
    return f"{message_id} {address}"


def _line(parsed: ParsedMail | Exception) -> str:
    """Say within what a mail has to keep its order; bounces need none."""
    if isinstance(parsed, Exception):
        return ""
    return parsed.digest if parsed.bounce or parsed.sender is None else parsed.sender.address


def _type(attachment: Attachment) -> str:
    return sniff(attachment.data[:SNIFFED], attachment.filename)


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]
