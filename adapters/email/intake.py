"""From the bytes of a mail to an envelope that is stored; everything that can be wrong with them ends here."""

import asyncio
from collections.abc import AsyncIterator

from adapters.contract import Context, FileTooBig
from adapters.email.automatic import OURS
from adapters.email.bounces import to_receipt
from adapters.email.filters import filter_mail
from adapters.email.imap import Item
from adapters.email.mapping import remembered, to_envelope
from adapters.email.notes import Shelf
from adapters.email.parse import parse_mail
from adapters.email.threads import thread
from adapters.email.wire import Attachment, Bounce, Known, Limits, Ours, ParsedMail, Stored, Threading
from adapters.errors import EnvelopeRefused
from normalizer.content import StoredFile
from web.uploads import sniff

DEAD_BYTES = 200_000
"""Of a mail that is kept with the dead letters: its beginning."""

MOST_LOOKED_UP = 30
SNIFFED = 4_096
CHUNK = 64 * 1024


class Intake:
    """Takes the mails of one mailbox, one after the other: :class:`adapters.email.mailbox.Taker`."""

    def __init__(  # noqa: PLR0913  # what it is wired to, by name
        self, context: Context, *, ours: Ours, limits: Limits, words: tuple[str, ...], taken: Shelf, sent: Shelf
    ) -> None:
        self._context = context
        self._ours = ours
        self._limits = limits
        self._words = words
        self._taken = taken
        self._sent = sent

    async def take(self, mail: bytes) -> bool:
        """Take a mail; when this returns it cannot be lost. False: it stays in the mailbox as it is.

        Raises:
            NotAccepted: it could not be stored in time.
        """
        try:
            parsed = await asyncio.to_thread(
                parse_mail, mail, now_ms=self._context.now(), ours=self._ours, limits=self._limits
            )
        except Exception as exc:  # noqa: BLE001  # a stranger's mail stops no mailbox, whatever is in it
            self._note_fault("email.not_read", exc)
            await self._bury("not_read", mail, f"the mail could not be read: {type(exc).__name__}")
            return False
        if await self._taken.find(parsed.digest):
            self._context.count("again")
            return True
        return await self._take(parsed, mail)

    async def give_up(self, header: bytes, item: Item, reason: str) -> None:
        """Put a mail that cannot be had with the dead letters."""
        await self._bury(reason, header, f"a mail of {item.size} bytes (UID {item.uid}); this is its header")

    # --- what it is ---

    async def _take(self, parsed: ParsedMail, mail: bytes) -> bool:
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
            note = await self._sent.find(message_id) or await self._taken.find(message_id)
            if note is not None:
                known[message_id] = note.known
        return thread(parsed, known, self._ours)

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
        if parsed.message_id and not await self._taken.find(parsed.message_id):  # nobody takes another's id away
            await self._taken.keep(parsed.message_id, remembered(parsed))
        return await self._done(parsed, "taken")

    async def _done(self, parsed: ParsedMail, event: str) -> bool:
        await self._taken.keep(parsed.digest, Known(address="", id=""))
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


def _type(attachment: Attachment) -> str:
    return sniff(attachment.data[:SNIFFED], attachment.filename)


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]
