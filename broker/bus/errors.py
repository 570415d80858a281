"""What can go wrong on the bus. Nothing of nats-py's own errors leaves this package.

::

    BusError
    |- NotConnected      no server could be reached, or it refused the credentials
    |- ServerFailed      the embedded nats-server does not start
    |- ApiError          JetStream answered a request with an error
    |- PublishRefused    the server said no: the message is certainly not stored
    |   `- TailMoved     the log has another last sequence than expected
    |- PublishUnknown    no answer: the message may or may not be stored, now or later
    |   `- NobodyStores  no stream takes the subject now: it was not stored
    |- NoAnswer          a request got no answer in time
    |   `- NobodyThere   nobody serves the subject
    |- AskFailed         whoever serves the subject answered with an error
    |- StreamMismatch    a stream or bucket exists with a setting that would break a promise
    |- StreamReplaced    a position belongs to a stream that was created anew, restored or cut short
    |- KeyExists         a key that was to be created is there already
    |- WrongRevision     a key has another revision than expected
    |- CopyFailed        a stream could not be copied to its end
    |- RestoreUnfinished a workspace was restored in part only
    |- MediaMissing      a media object is gone or not complete
    |- MediaTooLarge     a media object is over its limit; nothing of it is kept
    `- MediaDamaged      a media object does not decrypt to what was stored
"""


class BusError(Exception):
    """Base of everything that this package raises by itself."""


class NotConnected(BusError):
    """No server could be reached in time, or it refused the credentials."""


class ServerFailed(BusError):
    """The embedded nats-server does not start; the message quotes the last lines of its log."""


class ApiError(BusError):
    """JetStream answered a request with an error.

    Attributes:
        code: JetStream's own error code (``err_code``), such as 10059 for a stream that does not exist.
        status: the HTTP-like status, such as 404.
    """

    def __init__(self, code: int, status: int, description: str) -> None:
        super().__init__(f"JetStream refused ({code}): {description}")
        self.code = code
        self.status = status
        self.description = description


class PublishRefused(BusError):
    """The server said no: the message is certainly not stored.

    Attributes:
        code: JetStream's error code (10071 wrong last sequence, 10077 stream full, ...).
        tail: the stream's last sequence where the refusal names it (10071), else None.
    """

    def __init__(self, code: int, description: str, tail: int | None = None) -> None:
        super().__init__(f"publish refused ({code}): {description}")
        self.code = code
        self.description = description
        self.tail = tail


class TailMoved(PublishRefused):
    """Somebody else has written to the log: read on to `tail`, then try again."""

    tail: int


class PublishUnknown(BusError):
    """No answer came: the message may or may not be stored, now or later. Repeat it with the same id."""


class NobodyStores(PublishUnknown):
    """No stream, or no leader of it, listens on the subject at this moment, so this copy reached nobody."""


class NoAnswer(BusError):
    """A request got no answer in time, or nobody serves its subject."""


class NobodyThere(NoAnswer):
    """Nobody serves the subject of a request."""


class AskFailed(BusError):
    """Whoever serves the subject answered with an error.

    Attributes:
        code: a stable word for programs.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class StreamMismatch(BusError):
    """A stream or bucket exists with a setting that would break a promise."""

    def __init__(self, stream: str, setting: str, found: object, expected: object, mend: str) -> None:
        super().__init__(f"stream {stream}: {setting} is {found!r}, expected {expected!r}. {mend}")
        self.stream = stream
        self.setting = setting
        self.found = found
        self.expected = expected


class StreamReplaced(BusError):
    """A position belongs to a stream that was created anew, restored or cut short since."""


class KeyExists(BusError):
    """A key that was to be created is there already."""


class WrongRevision(BusError):
    """A key has another revision than expected: somebody else wrote it in between."""


class CopyFailed(BusError):
    """A stream could not be copied to its end; try again."""


class RestoreUnfinished(BusError):
    """A workspace is being restored, or was restored in part only: nobody may work on it."""


class MediaMissing(BusError, LookupError):
    """A media object is gone or not complete."""


class MediaTooLarge(BusError):
    """A media object is over its limit; nothing of it is kept."""


class MediaDamaged(BusError):
    """A media object does not decrypt to what was stored."""
