"""The tables of the index, and how the file is opened.

Rows are a function of the log alone. Times are in ms since the epoch, 0 means "not yet". An entry's id is
``sequence << 10 | index of the fact in its record``: ids are in the order of the log, and no record can enter twice.
"""

import sqlite3
from pathlib import Path

SCHEMA = 1
"""Raised with every change of what the tables mean: an index of another version is built anew."""

FILE = "index.sqlite3"
FACT_BITS = 10
BUSY_TIMEOUT = 5.0
CACHE_KIB = 32 * 1024

TOKENIZER = "unicode61 remove_diacritics 2 separators ''\u02bc''"
"""Letters and digits of every script, accents folded; the Ukrainian apostrophe parts words as the other ones do."""

TABLES = f"""
CREATE TABLE place (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    schema INTEGER NOT NULL,
    name TEXT NOT NULL,           -- of this index, new with each building
    workspace TEXT NOT NULL,
    created TEXT NOT NULL,        -- of the log stream: half of the position
    floor INTEGER NOT NULL,       -- up to here the log had been trimmed when this building began
    log INTEGER NOT NULL DEFAULT 0,
    archive INTEGER NOT NULL DEFAULT 0,
    as_of INTEGER NOT NULL DEFAULT 0,
    heard INTEGER NOT NULL DEFAULT 0,   -- when the index was last known to be followed, by the clock of its process
    done REAL NOT NULL DEFAULT 0        -- 1 once it has been at the end of the log
) STRICT;

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    channel TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    opened_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'open',
    owner TEXT NOT NULL DEFAULT '',
    result TEXT NOT NULL DEFAULT '',
    seq INTEGER NOT NULL,         -- the last record of its line that is in here
    records INTEGER NOT NULL      -- so many of them
) STRICT, WITHOUT ROWID;
CREATE INDEX conversations_person ON conversations (person);
CREATE INDEX conversations_last ON conversations (last_at);

CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL,
    kind TEXT NOT NULL,           -- message, reply, note, result
    at INTEGER NOT NULL,
    by TEXT NOT NULL,             -- operator
    name TEXT NOT NULL,
    channel TEXT NOT NULL,
    counted INTEGER NOT NULL      -- 1: something said, 0: an edit, a rating, a second try, what a machine wrote
) STRICT;
CREATE INDEX entries_conversation ON entries (conversation);
CREATE INDEX entries_said ON entries (kind, at, channel, by) WHERE counted;
CREATE TABLE said (            -- the words of entries, apart from them so that ranking reads few pages
    id INTEGER PRIMARY KEY, text TEXT NOT NULL, subject TEXT NOT NULL, files TEXT NOT NULL, who TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE texts USING fts5 (
    text, subject, files, who, content='said', content_rowid='id', tokenize='{TOKENIZER}', prefix='2 3'
);

CREATE TABLE participants (
    conversation TEXT NOT NULL, operator TEXT NOT NULL, how TEXT NOT NULL,   -- answered, asked
    PRIMARY KEY (conversation, operator, how)
) STRICT, WITHOUT ROWID;
CREATE INDEX participants_operator ON participants (operator);

CREATE TABLE addresses (address TEXT PRIMARY KEY, person TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX addresses_person ON addresses (person);
CREATE TABLE names (person TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (person, name)) STRICT, WITHOUT ROWID;
CREATE TABLE people (number INTEGER PRIMARY KEY, person TEXT NOT NULL UNIQUE) STRICT;
CREATE VIRTUAL TABLE persons USING fts5 (who, tokenize='{TOKENIZER}', prefix='2 3');
CREATE TABLE moved (person TEXT PRIMARY KEY, into_person TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE cases (
    conversation TEXT NOT NULL,
    n INTEGER NOT NULL,
    channel TEXT NOT NULL,
    began INTEGER NOT NULL,
    begun_by TEXT NOT NULL,       -- customer, operator, return (an answer that came back)
    waited INTEGER NOT NULL DEFAULT 0,
    answered INTEGER NOT NULL DEFAULT 0,
    answered_by TEXT NOT NULL DEFAULT '',
    last_by TEXT NOT NULL DEFAULT '',
    closed INTEGER NOT NULL DEFAULT 0,
    closed_by TEXT NOT NULL DEFAULT '',
    result TEXT NOT NULL DEFAULT '',
    kept INTEGER NOT NULL DEFAULT 1,   -- 0: left out of all reports
    rated INTEGER NOT NULL DEFAULT 0,
    score INTEGER NOT NULL DEFAULT 0,
    scale INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX cases_began ON cases (began);
CREATE INDEX cases_waited ON cases (waited) WHERE waited;
CREATE INDEX cases_closed ON cases (closed) WHERE closed;
CREATE INDEX cases_rated ON cases (rated) WHERE rated;

CREATE TABLE served (          -- who answered in a case, first and last time
    conversation TEXT NOT NULL, n INTEGER NOT NULL, operator TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (conversation, n, operator)
) STRICT, WITHOUT ROWID;
CREATE INDEX served_at ON served (at);

CREATE TABLE stays (           -- an operator had a conversation
    conversation TEXT NOT NULL, since INTEGER NOT NULL, operator TEXT NOT NULL, channel TEXT NOT NULL,
    until INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (conversation, since, operator)
) STRICT, WITHOUT ROWID;
CREATE INDEX stays_since ON stays (since);
CREATE INDEX stays_until ON stays (until);

CREATE TABLE offers (
    offer TEXT PRIMARY KEY, conversation TEXT NOT NULL, operator TEXT NOT NULL, at INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX offers_at ON offers (at);
CREATE INDEX offers_conversation ON offers (conversation);

CREATE TABLE calls (
    channel TEXT NOT NULL, call TEXT NOT NULL, conversation TEXT NOT NULL, direction TEXT NOT NULL,
    rang INTEGER NOT NULL, answered INTEGER NOT NULL DEFAULT 0, ended INTEGER NOT NULL DEFAULT 0,
    operator TEXT NOT NULL DEFAULT '', outcome TEXT NOT NULL DEFAULT '',   -- '', answered, missed, elsewhere, over
    PRIMARY KEY (channel, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_rang ON calls (rang);
CREATE INDEX calls_conversation ON calls (conversation);
"""


def connect(file: Path, *, writes: bool = False) -> sqlite3.Connection:
    """Open the index; readers and the one writer do not wait for one another (write-ahead log).

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    mode = "rwc" if writes else "rw"  # a reader needs to write the shared memory of the write-ahead log
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if writes:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may take the last moments, which come again
        connection.execute("PRAGMA secure_delete = ON")  # what is erased leaves no bytes behind
    else:
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA query_only = ON")
    return connection
