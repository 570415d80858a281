"""The archive: the records of a closed conversation, packed into compressed messages; and history out of both.

A packed message holds JSON lines of `[sequence, subject, record]`. What does not fit into one goes into further ones
under `<subject>.1`, `<subject>.2`...; the first is written last and says how many there are.
"""

import asyncio

import msgspec
import zstandard

from broker.bus.connection import Bus
from broker.bus.reader import Reader, Stored, last_by_subject, next_by_subject, purge
from broker.bus.streams import Workspace
from router.record import Record, decode_record

PART_LIMIT = 768 * 1024  # bytes compressed; nats-server takes 1 MB by default
PARTS = "Trunkline-Parts"
ANYBODY = "*"


class Archived(msgspec.Struct, frozen=True, array_like=True):
    """One archived record: its sequence and subject in the log, and its bytes as they were."""

    seq: int
    subject: str
    record: msgspec.Raw


_encode = msgspec.json.Encoder()
_decode_line = msgspec.json.Decoder(Archived)


def pack(records: list[Archived], *, limit: int = PART_LIMIT) -> list[bytes]:
    """Compress into parts of at most `limit` bytes; a single record over it makes a part of its own."""
    payload = zstandard.ZstdCompressor(level=9).compress(_encode.encode_lines(records))
    if len(payload) <= limit or len(records) == 1:
        return [payload]
    half = len(records) // 2
    return pack(records[:half], limit=limit) + pack(records[half:], limit=limit)


def unpack(payload: bytes) -> list[Archived]:
    """Undo one part. Raises `zstandard.ZstdError`, `msgspec.DecodeError`."""
    with zstandard.ZstdDecompressor().stream_reader(payload) as stream:
        return _decode_line.decode_lines(stream.readall())


async def archive_conversation(bus: Bus, workspace: Workspace, person: str, conversation: str) -> int:
    """Pack the conversation's records and remove them from the log; returns how many were there.

    May be repeated at any time: what is in the archive already stays, and the log is emptied only after the archive
    has been acknowledged.
    """
    line = workspace.line_subjects(conversation)
    fresh = await _read_line(bus, workspace, line)
    if not fresh:
        return 0
    merged = {record.seq: record for record in (*await _read_archive(bus, workspace, person, conversation), *fresh)}
    subject = workspace.arc_subject(person, conversation)
    parts = await asyncio.to_thread(pack, [merged[seq] for seq in sorted(merged)])  # seconds, of a very long one
    for number in range(len(parts) - 1, 0, -1):
        await bus.publish(f"{subject}.{number}", parts[number])
    await bus.publish(subject, parts[0], headers={PARTS: str(len(parts))})
    await purge(bus, workspace.log_stream, subject=line, up_to_seq=fresh[-1].seq)
    return len(fresh)


async def read_history(  # noqa: PLR0913  # all but four by name
    bus: Bus, workspace: Workspace, conversation: str, person: str = "", *, after: int = 0, through: int = 0
) -> list[tuple[int, Record]]:
    """The records of a conversation behind a log sequence, with theirs, in order; empty if there are none.

    They stand in the log, in the archive, or (opened again after having been archived) in both. The log is read
    first, because it is emptied after the archive is written. Without `person`, or when the conversation has gone
    over to another one since, the archive is searched by conversation. `through` is the sequence of a record that the
    reader knows of, so that no node that is behind leaves it out; see `Reader.read_all`.

    Raises:
        NoAnswer: the bus cannot be reached.
    """
    fresh = await _read_line(bus, workspace, workspace.line_subjects(conversation), after, through)
    old = await _read_archive(bus, workspace, person, conversation)
    merged = {record.seq: record for record in (*old, *fresh) if record.seq > after}
    return [(seq, decode_record(bytes(merged[seq].record))) for seq in sorted(merged)]


async def _read_line(bus: Bus, workspace: Workspace, line: str, after: int = 0, through: int = 0) -> list[Archived]:
    found: list[Archived] = []
    async with Reader(bus, workspace.log_stream, start_seq=after + 1, subjects=[line]) as reader:
        async for batch in reader.read_all(through=through):
            found += [Archived(stored.seq, stored.subject, msgspec.Raw(stored.payload)) for stored in batch]
    return found


async def _read_archive(bus: Bus, workspace: Workspace, person: str, conversation: str) -> list[Archived]:
    head = await _first_part(bus, workspace, person, conversation)
    if head is None:
        return []
    found = unpack(head.payload)
    for number in range(1, int(head.headers.get(PARTS, "1"))):
        part = await last_by_subject(bus, workspace.arc_stream, f"{head.subject}.{number}")
        if part is not None:
            found += unpack(part.payload)
    return found


async def _first_part(bus: Bus, workspace: Workspace, person: str, conversation: str) -> Stored | None:
    if person:
        stored = await last_by_subject(bus, workspace.arc_stream, workspace.arc_subject(person, conversation))
        if stored is not None:
            return stored
    return await next_by_subject(bus, workspace.arc_stream, workspace.arc_subject(ANYBODY, conversation))
