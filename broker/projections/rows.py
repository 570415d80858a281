"""The rows that a fold writes. Conversations and their latest cases stay in memory until the end of a batch."""

import sqlite3
from typing import Literal

from msgspec import Struct, structs

from broker.projections.words import Words, person_words
from desk.finding.search import fold

KEPT = 20_000
"""Conversations kept in memory between batches."""

OF_CONVERSATION = ("cases", "served", "stays", "offers", "calls", "participants")
"""The tables that hold nothing but what belongs to a conversation, besides its entries."""


class Conversation(Struct):
    """A row of ``conversations``."""

    id: str
    person: str
    channel: str
    opened_at: int
    last_at: int
    name: str = ""
    status: str = "open"
    owner: str = ""
    result: str = ""
    seq: int = 0
    records: int = 0


class Case(Struct):
    """A row of ``cases``: from the opening, or a reopening, of a conversation until its closing."""

    conversation: str
    n: int
    channel: str
    began: int
    begun_by: str = "customer"
    waited: int = 0
    answered: int = 0
    answered_by: str = ""
    last_by: str = ""
    closed: int = 0
    closed_by: str = ""
    result: str = ""
    kept: int = 1
    rated: int = 0
    score: int = 0
    scale: int = 0


class Entry(Struct, frozen=True, kw_only=True):
    """A row of ``entries``; its words are put into the index of texts as well."""

    id: int
    conversation: str
    kind: str
    at: int
    words: Words
    by: str = ""
    name: str = ""
    channel: str = ""
    counted: bool = True
    who: str = ""


def _put(table: str, kind: type[Struct]) -> str:
    names = kind.__struct_fields__
    marks = ", ".join("?" * len(names))
    return f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608  # names of ours


_PUT_CONVERSATION = _put("conversations", Conversation)
_PUT_CASE = _put("cases", Case)
_GET_CONVERSATION = f"SELECT {', '.join(Conversation.__struct_fields__)} FROM conversations WHERE id = ?"  # noqa: S608  # names of ours
_GET_CASE = f"SELECT {', '.join(Case.__struct_fields__)} FROM cases WHERE conversation = ? ORDER BY n DESC LIMIT 1"  # noqa: S608  # names of ours
_TEXTS = "text, subject, files, who"


class Rows:
    """The tables, as the folds see them. Nothing is committed here."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self._conversations: dict[str, Conversation | None] = {}
        self._cases: dict[str, Case] = {}
        self._changed: dict[str, None] = {}
        self._people: dict[str, None] = {}

    def conversation(self, name: str) -> Conversation | None:
        """Give a conversation to be read."""
        if name not in self._conversations:
            found = self.database.execute(_GET_CONVERSATION, (name,)).fetchone()
            self._conversations[name] = Conversation(*found) if found else None
        return self._conversations[name]

    def case(self, name: str) -> Case:
        """Give the latest case of a known conversation, to be changed."""
        if name not in self._cases:
            self._cases[name] = Case(*self.database.execute(_GET_CASE, (name,)).fetchone())
        self._changed[name] = None
        return self._cases[name]

    def change(self, conversation: Conversation) -> None:
        """Say that a conversation is new or has changed."""
        self._conversations[conversation.id] = conversation
        self._changed[conversation.id] = None

    def begin(self, case: Case) -> None:
        """Begin a case; the one before is complete."""
        self._write_case(case.conversation)
        self._cases[case.conversation] = case
        self._changed[case.conversation] = None

    def say(self, entry: Entry) -> None:
        """Put an entry down."""
        e, w = entry, entry.words
        self.database.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (e.id, e.conversation, e.kind, e.at, e.by, e.name, e.channel, e.counted),
        )
        self.database.execute("INSERT INTO said VALUES (?, ?, ?, ?, ?)", (e.id, w.text, w.subject, w.files, e.who))
        texts = [fold(text) for text in (w.text, w.subject, w.files, e.who)]
        self.database.execute(f"INSERT INTO texts (rowid, {_TEXTS}) VALUES (?, ?, ?, ?, ?)", (e.id, *texts))  # noqa: S608  # names of ours

    def take_part(self, conversation: str, operator: str, how: Literal["answered", "asked"]) -> None:
        """Note that an operator has answered in a conversation, or was asked something in a note."""
        self.database.execute("INSERT OR IGNORE INTO participants VALUES (?, ?, ?)", (conversation, operator, how))

    # --- people -------------------------------------------------------------------------------------------------

    def know(self, person: str, address: str, name: str = "") -> None:
        """Note an address, and maybe a name, of a customer. Only :meth:`give` takes an address from somebody else."""
        write = self.database.execute
        if write("INSERT OR IGNORE INTO addresses VALUES (?, ?)", (address, person)).rowcount:
            self._people[person] = None
        if name and write("INSERT OR IGNORE INTO names VALUES (?, ?)", (person, name)).rowcount:
            self._people[person] = None

    def give(self, person: str, address: str) -> None:
        """Let an address belong to somebody else than before."""
        write = self.database.execute
        known = write("SELECT person FROM addresses WHERE address = ?", (address,)).fetchone()
        write("INSERT OR REPLACE INTO addresses VALUES (?, ?)", (address, person))
        self._people |= dict.fromkeys((person, *(known or ())))

    def merge(self, person: str, other: str) -> None:
        """Let everything of ``other`` be of ``person``."""
        self.flush()
        self._conversations.clear()
        person = self.owner_of(person)
        write = self.database.execute
        write("INSERT OR REPLACE INTO moved VALUES (?, ?)", (other, person))
        write("UPDATE moved SET into_person = ? WHERE into_person = ?", (person, other))
        write("UPDATE conversations SET person = ? WHERE person = ?", (person, other))
        write("UPDATE addresses SET person = ? WHERE person = ?", (person, other))
        write("UPDATE OR REPLACE names SET person = ? WHERE person = ?", (person, other))
        self._people |= dict.fromkeys((person, other))

    def owner_of(self, person: str) -> str:
        """Name whom a customer turned out to be."""
        moved = self.database.execute("SELECT into_person FROM moved WHERE person = ?", (person,)).fetchone()
        return str(moved[0]) if moved else person

    def _index_person(self, person: str) -> None:
        write = self.database.execute
        names = [name for (name,) in write("SELECT name FROM names WHERE person = ?", (person,))]
        addresses = [each for (each,) in write("SELECT address FROM addresses WHERE person = ?", (person,))]
        write("INSERT OR IGNORE INTO people (person) VALUES (?)", (person,))
        (number,) = write("SELECT number FROM people WHERE person = ?", (person,)).fetchone()
        write("DELETE FROM persons WHERE rowid = ?", (number,))
        if names or addresses:
            write("INSERT INTO persons (rowid, who) VALUES (?, ?)", (number, fold(person_words(names, addresses))))
        else:
            write("DELETE FROM people WHERE number = ?", (number,))

    # --- batches and erasing ------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what has changed in memory."""
        for name in self._changed:
            self._write_case(name)
            conversation = self._conversations.get(name)
            if conversation is not None:
                self.database.execute(_PUT_CONVERSATION, structs.astuple(conversation))
        for person in self._people:
            self._index_person(person)
        self._changed.clear()
        self._people.clear()
        if len(self._conversations) > KEPT:
            self._conversations.clear()
            self._cases.clear()

    def drop(self, name: str) -> None:
        """Take a conversation out, with everything that belongs to it."""
        self.flush()
        self._conversations.pop(name, None)
        self._cases.pop(name, None)
        write = self.database.execute
        said = write(
            f"SELECT id, {_TEXTS} FROM said WHERE id IN (SELECT id FROM entries WHERE conversation = ?)",  # noqa: S608  # names of ours
            (name,),
        ).fetchall()
        for number, *texts in said:
            values = (number, *(fold(text) for text in texts))
            write(f"INSERT INTO texts (texts, rowid, {_TEXTS}) VALUES ('delete', ?, ?, ?, ?, ?)", values)  # noqa: S608  # names of ours
        write("DELETE FROM said WHERE id IN (SELECT id FROM entries WHERE conversation = ?)", (name,))
        write("DELETE FROM entries WHERE conversation = ?", (name,))
        for table in OF_CONVERSATION:
            write(f"DELETE FROM {table} WHERE conversation = ?", (name,))  # noqa: S608  # names of ours
        write("DELETE FROM conversations WHERE id = ?", (name,))

    def erase(self, person: str) -> None:
        """Take a customer out, and every conversation of theirs."""
        self.flush()
        write = self.database.execute
        for (name,) in write("SELECT id FROM conversations WHERE person = ?", (person,)).fetchall():
            self.drop(name)
        write("DELETE FROM addresses WHERE person = ?", (person,))
        write("DELETE FROM names WHERE person = ?", (person,))
        write("DELETE FROM moved WHERE person = ? OR into_person = ?", (person, person))
        self._index_person(person)

    def _write_case(self, name: str) -> None:
        case = self._cases.get(name)
        if case is not None:
            self.database.execute(_PUT_CASE, structs.astuple(case))
