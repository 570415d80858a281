"""Limits on outgoing mail, against loops between two machines and floods of automatic answers (RFC 3834)."""

from collections.abc import Callable

from adapters.email.notes import Shelf
from adapters.email.wire import Known
from adapters.errors import Refused
from adapters.pace import HOUR
from normalizer.outbound import Outbound

REMEMBERED = 10_000


class Caps:
    """The caps of one channel. Every attempt of a message counts as the same one."""

    def __init__(self, shelf: Shelf, now: Callable[[], int], *, automatic_every: int, mails_per_hour: int) -> None:
        """``automatic_every`` and what ``now`` gives are in ms."""
        self._shelf = shelf
        self._now = now
        self._automatic_every = automatic_every
        self._mails_per_hour = mails_per_hour
        self._hour: dict[str, dict[str, int]] = {}

    async def admit(self, outbound: Outbound) -> None:
        """Count a message. Raises Refused when it is one too many."""
        self._pass_conversation(outbound)
        if outbound.author.kind == "system":
            await self._pass_automatic(outbound)

    def _pass_conversation(self, outbound: Outbound) -> None:
        begin = self._now() - HOUR
        recent = {id_: at for id_, at in self._hour.get(outbound.conversation, {}).items() if at > begin}
        if outbound.id not in recent and len(recent) >= self._mails_per_hour:
            raise Refused(
                "too_many_mails",
                f"{len(recent)} mails have gone to this conversation within an hour: is a machine answering at the "
                "other end? `limits.mails_per_hour` allows more",
            )
        self._hour[outbound.conversation] = {**recent, outbound.id: recent.get(outbound.id, self._now())}
        if len(self._hour) > REMEMBERED:
            self._hour = {name: ids for name, ids in self._hour.items() if max(ids.values()) > begin}

    async def _pass_automatic(self, outbound: Outbound) -> None:
        whole = whole_id(outbound)
        note = await self._shelf.find(outbound.address)
        if note is not None and note.known.id == whole:
            return
        if note is not None and self._now() - note.at < self._automatic_every:
            raise Refused(
                "automatic_too_often",
                "this address has just had a mail that no operator wrote; `limits.automatic_every` says how often",
            )
        await self._shelf.keep(outbound.address, Known(address=outbound.address, id=whole))


def whole_id(outbound: Outbound) -> str:
    """Give the id of the message that this may be a piece of."""
    return outbound.id.partition("~")[0]
