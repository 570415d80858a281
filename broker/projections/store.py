"""The index's file with its one writer. What a batch writes and the position behind it are one transaction."""

import fcntl
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self, TextIO

from msgspec import Struct, structs

from broker.projections.folding import Unknown, fold_record
from broker.projections.rows import Rows
from broker.projections.schema import FILE, TABLES, connect
from router.people import PersonRecord
from router.record import Record

Line = Sequence[tuple[int, Record]]
"""The records of a conversation with their sequences in the log."""


class Place(Struct, frozen=True):
    """Where the index stands; the row of the table ``place``."""

    schema: int
    name: str
    workspace: str
    created: str
    floor: int
    log: int = 0
    archive: int = 0
    as_of: int = 0
    heard: int = 0
    done: float = 0.0


class Archive(Struct, frozen=True):
    """A conversation as it was found in the archive; ``records`` None: it has to be read as a whole."""

    person: str
    conversation: str
    records: Line | None


class InUse(Exception):
    """Another process writes this index."""


class Gone(Exception):
    """The file has been deleted or replaced under its writer."""


class Incomplete(Exception):
    """These conversations, with their people, have to be read as a whole before the batch can be taken."""

    def __init__(self, missing: Mapping[str, str]) -> None:
        super().__init__(", ".join(missing))
        self.missing = missing


_COLUMNS = Place.__struct_fields__
_READ = f"SELECT {', '.join(_COLUMNS)} FROM place"  # noqa: S608  # names of ours


def read_place(database: sqlite3.Connection) -> Place | None:
    """Say where an index stands; None if it is none, or one of another release."""
    try:
        found = database.execute(_READ).fetchone()
    except sqlite3.OperationalError:  # no such table or column
        return None
    return Place(*found) if found else None


class Store:
    """The one writer. Not for use by two threads at once."""

    def __init__(self, folder: Path, lock: TextIO, database: sqlite3.Connection) -> None:
        self._file = folder / FILE
        self._lock = lock
        self._database = database
        self._inode = self._file.stat().st_ino
        self._rows = Rows(database)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the index in ``folder``, or make an empty one; a file that is none is thrown away.

        Raises:
            InUse: somebody else writes it.
            OSError, sqlite3.Error: the folder cannot be written to.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise InUse(f"the index in {folder} is written by another process") from None
        try:
            database = connect(folder / FILE, writes=True)
            read_place(database)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # this is no database (any more)
            for file in folder.glob(f"{FILE}*"):
                file.unlink()
            database = connect(folder / FILE, writes=True)
        return cls(folder, lock, database)

    def close(self) -> None:
        """Close the file and let others write it."""
        self._database.close()
        self._lock.close()

    @property
    def place(self) -> Place | None:
        """Where it stands; None while it has never been begun, or is of another release."""
        return read_place(self._database)

    def begin_anew(self, place: Place) -> None:
        """Empty it, and let it stand there."""
        with self._transaction():
            for name in self._tables():
                self._database.execute(f'DROP TABLE IF EXISTS "{name}"')
            for statement in TABLES.split(";\n"):
                self._database.execute(statement)
            marks = ", ".join("?" * len(_COLUMNS))
            self._database.execute(
                f"INSERT INTO place (one, {', '.join(_COLUMNS)}) VALUES (1, {marks})",  # noqa: S608  # names of ours
                structs.astuple(place),
            )

    def take_log(
        self, records: Iterable[tuple[int, str, Record]], upto: int, *, whole: Mapping[str, Line], done: float
    ) -> Place:
        """Fold records of the log, and stand at ``upto``. ``whole`` replaces what is known of some conversations.

        Raises:
            Incomplete: nothing was taken; read these conversations and come again.
        """
        missing: dict[str, str] = {}
        with self._transaction():
            self._replace(whole)
            now = 0
            for seq, line, record in records:
                now = record.now
                try:
                    fold_record(self._rows, line, seq, record)
                except Unknown:
                    if line not in whole:  # else its beginning is nowhere, and what is left of it is nobody's
                        missing[line] = ""
            if missing:
                raise Incomplete(missing)
            self._rows.flush()
            return self._stand(log=upto, done=done, **({"as_of": now} if now else {}))

    def take_archive(self, found: Iterable[Archive], upto: int, *, whole: Mapping[str, Line], done: float) -> Place:
        """Fold archived conversations that are not in here in full; raises like :meth:`take_log`."""
        missing: dict[str, str] = {}
        with self._transaction():
            self._replace(whole)
            for each in found:
                if each.conversation in whole or self._has(each):
                    continue
                if each.records is None or self._rows.conversation(each.conversation) is not None:
                    missing[each.conversation] = each.person
                else:
                    self._fold_line(each.conversation, each.records)
            if missing:
                raise Incomplete(missing)
            self._rows.flush()
            return self._stand(archive=upto, done=done)

    def take_people(self, people: Iterable[PersonRecord]) -> None:
        """Learn from the store of people who turned out to be whom: these records of the log are trimmed early."""
        with self._transaction():
            for each in people:
                if each.person.moved is not None:
                    self._rows.merge(each.person.moved, each.person.id)
                for address in each.person.addresses:
                    self._rows.give(each.person.id, address)
            self._rows.flush()

    def erase(self, person: str) -> None:
        """Take a customer out, so that no byte of them is left in the files."""
        with self._transaction():
            self._rows.erase(person)
        self._database.execute("INSERT INTO texts (texts) VALUES ('optimize')")  # merging drops the deleted words
        self._database.execute("INSERT INTO persons (persons) VALUES ('optimize')")
        self._database.execute("PRAGMA wal_checkpoint (TRUNCATE)")

    def hear(self, now: int) -> None:
        """Note that the index is being followed.

        Raises:
            Gone: the file is not there any more.
        """
        if not self._file.exists() or self._file.stat().st_ino != self._inode:
            raise Gone(f"{self._file} has been deleted or replaced")
        with self._transaction():
            self._stand(heard=now)

    # --- inside -------------------------------------------------------------------------------------------------

    def _has(self, archived: Archive) -> bool:
        """Whether everything of an archived conversation is in here."""
        known = self._rows.conversation(archived.conversation)
        if known is None or archived.records is None:
            return False
        return (known.seq, known.records) == (archived.records[-1][0], len(archived.records))

    def _replace(self, whole: Mapping[str, Line]) -> None:
        for conversation, records in whole.items():
            self._rows.drop(conversation)
            self._fold_line(conversation, records)

    def _fold_line(self, conversation: str, records: Line) -> None:
        for seq, record in records:
            try:
                fold_record(self._rows, conversation, seq, record)
            except Unknown:
                continue  # its beginning is nowhere

    def _stand(self, **values: float) -> Place:
        changes = ", ".join(f"{name} = :{name}" for name in values)
        (found,) = self._database.execute(
            f"UPDATE place SET {changes} RETURNING {', '.join(_COLUMNS)}",  # noqa: S608  # names of ours
            values,
        ).fetchall()
        return Place(*found)

    def _tables(self) -> list[str]:
        """Name our tables, virtual ones first: they take their own shadows with them."""
        found = self._database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC"
        )
        return [name for (name,) in found.fetchall()]

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._database, self._begin_rows)

    def _begin_rows(self) -> None:
        self._rows = Rows(self._database)


class _Transaction:
    """Commit, or take everything back, what is in memory included."""

    def __init__(self, database: sqlite3.Connection, undone: Callable[[], None]) -> None:
        self._database = database
        self._undone = undone

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._database.execute("COMMIT")
        else:
            self._database.execute("ROLLBACK")
            self._undone()


def folder_of(data: Path) -> Path:
    """Give the index's folder in a data folder."""
    return data.resolve() / "index"
