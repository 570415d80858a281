"""Which answers a restored workspace must not send: those that were on their way when the backup was made.

The backup does not know what became of them afterwards. So each gets a claim that says that a call was begun, which the
worker takes for what it is: nobody knows. It asks the provider where that can be asked, and calls it unknown otherwise.
Claims of answers that the log does not hold are left behind: their ids will be given again, to other answers.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from broker.backup.folder import Message
from broker.bus.kv import kv_key, kv_text
from broker.channels.claims import Claim
from broker.channels.door import PIECE
from normalizer.outbound import Outbound

FILE = "file"
"""The third word of a key that remembers a provider's file; see ``ChannelMedia``."""

WORKER = "restored"


class Claimed:
    """The claims of a backup that matter: of answers that were ``pending``, by (channel, id)."""

    def __init__(self, workspace: str, pending: Iterable[Outbound]) -> None:
        self._prefix = f"{workspace}."
        self._pending = {(outbound.channel, outbound.id) for outbound in pending}
        self._found: dict[tuple[str, str], Claim] = {}

    def take(self, key: str, message: Message) -> bool:
        """Look at one entry of the bucket; says whether it is to be restored as it is."""
        channel, *words = key.removeprefix(self._prefix).split(".")
        if len(words) > 1:
            return words[0] == FILE
        name = kv_text(words[0])
        if (channel, name.partition(PIECE)[0]) in self._pending and message.payload:
            self._found[channel, name] = msgspec.json.decode(message.payload, type=Claim)
        return False

    def entries(self, at: int) -> Iterator[tuple[str, bytes]]:
        """Give keys and values to write; ``at`` is when the backup was made (ms)."""
        for channel, name in sorted(self._pending):
            for piece, claim in settled(self._found_of(channel, name), name, at).items():
                yield f"{self._prefix}{channel}.{kv_key(piece)}", msgspec.json.encode(claim)

    def _found_of(self, channel: str, name: str) -> dict[str, Claim]:
        return {
            piece: claim
            for (of, piece), claim in self._found.items()
            if of == channel and piece.partition(PIECE)[0] == name
        }


def settled(found: Mapping[str, Claim], name: str, at: int) -> dict[str, Claim]:
    """Give the claims of one answer after a restore: what was settled stays, the first thing that was not is in doubt.

    A long answer goes out in pieces, the last of which bears the plain ``name``; how many there are is not known here,
    so the first piece that was not sent is in doubt, and the whole as well.
    """
    whole = found.get(name)
    claims, number = {name: whole if whole is not None and whole.final else _doubt(whole, at)}, 1
    while (piece := found.get(f"{name}{PIECE}{number}")) is not None and piece.state == "sent":
        claims[f"{name}{PIECE}{number}"] = piece
        number += 1
    claims[f"{name}{PIECE}{number}"] = piece if piece is not None and piece.final else _doubt(piece, at)
    return claims


def _doubt(claim: Claim | None, at: int) -> Claim:
    return Claim(worker=WORKER, number=claim.number if claim is not None else 1, state="calling", at=at)
