"""Dead letters: what could not be decoded, decided or sent, with the reason, until somebody replays it."""

import msgspec

from broker.bus.connection import Bus
from broker.bus.reader import Reader, Stored, delete_message, read_message
from broker.bus.streams import DEAD_STREAM, Workspace


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter; `seq` names it, `source` is the subject it came from, `time_ns` when it was put here."""

    seq: int
    workspace: str
    reason: str
    source: str
    payload: bytes
    detail: str
    time_ns: int


class _Body(msgspec.Struct, frozen=True):
    source: str
    payload: bytes
    detail: str


class DeadLetters:
    """The dead letters of all workspaces."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def add(  # noqa: PLR0913  # one argument for each field of a letter
        self, workspace: Workspace, reason: str, source: str, payload: bytes, detail: str, *, msg_id: str | None = None
    ) -> int:
        """Keep a message that nobody could handle; returns its sequence.

        `reason` is a code (one subject token); `detail` a sentence for a person, without the message's text.
        `msg_id` makes a repetition within two minutes harmless.
        """
        body = msgspec.json.encode(_Body(source, payload, detail))
        headers = {"Nats-Msg-Id": msg_id} if msg_id else None
        return (await self._bus.publish(workspace.dead_subject(reason), body, headers=headers)).seq

    async def list(
        self, workspace: Workspace | None = None, *, reason: str = "*", limit: int = 100, from_seq: int = 1
    ) -> list[DeadLetter]:
        """The oldest `limit` letters from `from_seq` on."""
        subject = workspace.dead_subject(reason) if workspace else f"tl.dead.*.{reason}"
        letters: list[DeadLetter] = []
        async with Reader(self._bus, DEAD_STREAM, start_seq=from_seq, subjects=[subject]) as reader:
            async for batch in reader.read_all():
                letters += map(letter_of, batch)
                if len(letters) >= limit:
                    break
        return letters[:limit]

    async def show(self, seq: int) -> DeadLetter | None:
        """One letter; None when there is none of that number (any more)."""
        stored = await read_message(self._bus, DEAD_STREAM, seq)
        return letter_of(stored) if stored else None

    async def replay(self, seq: int) -> int:
        """Append it to IN again under its original subject, then delete it here; returns its new sequence there.

        Raises:
            LookupError: there is no letter of that number.
            ValueError: it did not come from IN (an answer that could not be sent cannot be taken in).
        """
        letter = await self.show(seq)
        if letter is None:
            raise LookupError(f"there is no dead letter {seq}")
        inputs = Workspace(letter.workspace).in_subject("*").removesuffix("*")
        if not letter.source.startswith(inputs):
            raise ValueError(f"dead letter {seq} came from {letter.source}, not from {inputs}*: it cannot be replayed")
        headers = {"Nats-Msg-Id": f"dead-{seq}-{letter.time_ns}"}  # a second replay right after is the same one
        ack = await self._bus.publish(letter.source, letter.payload, headers=headers)
        await delete_message(self._bus, DEAD_STREAM, seq)
        return ack.seq


def letter_of(stored: Stored) -> DeadLetter:
    """Read a stored dead letter (`tl.dead.<workspace>.<reason>`)."""
    _, _, workspace, reason = stored.subject.split(".")
    body = msgspec.json.decode(stored.payload, type=_Body)
    return DeadLetter(
        seq=stored.seq,
        workspace=workspace,
        reason=reason,
        source=body.source,
        payload=body.payload,
        detail=body.detail,
        time_ns=stored.time_ns,
    )
