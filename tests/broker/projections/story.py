"""Hand-made logs: what happened, when, told in facts."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from broker.projections.schema import FILE, SCHEMA, connect
from broker.projections.store import Place, Store
from normalizer.content import Call, Content, Rating, Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Author, Outbound
from router import facts as f
from router.record import Record

WARSAW = ZoneInfo("Europe/Warsaw")
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def at(text: str, zone: ZoneInfo = WARSAW) -> int:
    """Give "2026-11-02 09:30:15" as people in a zone read it, in ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1_000)


class Story:
    """Remembers records, and writes each into a store (if there is one) as a batch of its own."""

    def __init__(self, store: Store | None, now: int) -> None:
        self.store = store
        self.now = now
        self.seq = 10
        self.records: list[tuple[int, str, Record]] = []
        self._n = 0

    def wait(self, ms: int) -> "Story":
        self.now += ms
        return self

    def tell(self, line: str, *facts: f.AnyFact) -> int:
        """One record; gives its sequence."""
        self.seq += 2
        record = Record(input=self.seq, step=1, now=self.now, term=1, rules=1, cause="input", facts=facts)
        self.records.append((self.seq, line, record))
        if self.store is not None:
            self.store.take_log([self.records[-1]], self.seq, whole={}, done=1.0)
        return self.seq

    # --- what happens -------------------------------------------------------------------------------------------

    def opens(  # noqa: PLR0913  # by name
        self,
        name: str,
        text: str = "hello",
        *,
        person: str = "",
        channel: str = "site",
        who: str = "Anna",
        address: str = "",
        content: Content | None = None,
        waits: bool = True,
        automatic: bool = False,
    ) -> int:
        person, address = person or f"p-{name}", address or f"visitor:{name}"
        opened = f.ConversationOpened(conversation=name, person=person, channel=channel, address=address)
        said = self.message(name, content or Text(text=text), channel, who, address, waits=waits, automatic=automatic)
        return self.tell(name, f.PersonCreated(person=person, address=address), opened, said)

    def says(  # noqa: PLR0913  # by name
        self,
        name: str,
        text: str = "more",
        *,
        channel: str = "site",
        who: str = "Anna",
        waits: bool = False,
        content: Content | None = None,
        address: str = "",
    ) -> int:
        said = self.message(name, content or Text(text=text), channel, who, address or f"visitor:{name}", waits=waits)
        return self.tell(name, said)

    def rates(self, name: str, score: int, scale: int = 5, comment: str = "") -> int:
        return self.says(name, content=Rating(score=score, scale=scale, comment=comment))

    def message(  # noqa: PLR0913  # told by name above
        self, name: str, content: Content, channel: str, who: str, address: str, *, waits: bool, automatic: bool = False
    ) -> f.MessageTaken:
        self._n += 1
        envelope = Envelope(
            id=f"e{self._n}",
            at=self.now,
            channel=channel,
            type="webchat",
            native_id=f"n{self._n}",
            address=address,
            content=content,
            sender=Sender(name=who),
            automatic=automatic,
        )
        return f.MessageTaken(conversation=name, n=self._n, envelope=envelope, waits=waits)

    def reopens(self, name: str, *, by: str = "", undelivered: str = "", waits: bool = True) -> int:
        reopened = f.ConversationReopened(conversation=name, by=by, undelivered=undelivered)
        if by or undelivered:
            return self.tell(name, reopened)
        said = self.message(name, Text(text="again"), "site", "Anna", f"visitor:{name}", waits=waits)
        return self.tell(name, reopened, said)

    def assigns(self, name: str, operator: str) -> int:
        return self.tell(name, f.Assigned(conversation=name, operator=operator, epoch=1, units=20))

    def leaves(self, name: str, operator: str, reason: str = "transferred") -> int:
        return self.tell(name, f.Unassigned(conversation=name, operator=operator, reason=reason))  # type: ignore[arg-type]  # told by tests

    def answers(  # noqa: PLR0913  # by name
        self,
        name: str,
        operator: str = "ben",
        text: str = "answer",
        *,
        channel: str = "site",
        again: str | None = None,
        content: Content | None = None,
        wish: bool = False,
    ) -> int:
        self._n += 1
        author = Author(id=operator, name=operator.title()) if operator else Author(kind="system")
        outbound = Outbound(
            id=f"{name}-{self._n}",
            conversation=name,
            channel=channel,
            address=f"visitor:{name}",
            at=self.now,
            content=content or Text(text=text),
            author=author,
        )
        sent = f.ReplySent(conversation=name, n=self._n, outbound=outbound, by=operator, again=again, wish=wish)
        return self.tell(name, sent)

    def notes(self, name: str, operator: str, text: str, *mentions: str) -> int:
        self._n += 1
        note = f.NoteAdded(conversation=name, n=self._n, by=operator, content=Text(text=text), mentions=mentions)
        return self.tell(name, note)

    def closes(self, name: str, by: str = "ben", result: str = "solved") -> int:
        return self.tell(name, f.ConversationClosed(conversation=name, by=by, result=result))

    def rings(self, name: str, call: str, state: str, operator: str = "", *, direction: str = "in") -> int:
        fact = f.CallChanged(
            conversation=name,
            call=call,
            channel="phone",
            address="tel:+48600100200",
            at=self.now,
            state=state,  # type: ignore[arg-type]  # told by tests
            operator=operator,
            direction=direction,  # type: ignore[arg-type]  # told by tests
        )
        return self.tell(name, fact)

    def calls(self, name: str, call: str, *, direction: str = "in") -> int:
        """Somebody calls who had no conversation."""
        content = Call(call=call, event="ringing", direction=direction)  # type: ignore[arg-type]  # told by tests
        self.opens(name, channel="phone", content=content, waits=direction == "in", address="tel:+48600100200")
        return self.rings(name, call, "ringing", direction=direction)


def begun(folder: Path) -> Iterator[Store]:
    """A store that stands at the beginning of a log."""
    store = Store.open(folder)
    store.begin_anew(Place(SCHEMA, "one", "w", "2026-01-01T00:00:00Z", 0))
    yield store
    store.close()


def rows(folder: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Ask the index itself."""
    database = connect(folder / FILE)
    try:
        return database.execute(statement, values).fetchall()
    finally:
        database.close()
