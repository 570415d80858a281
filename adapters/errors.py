"""The closed set of what can go wrong with a channel.

::

    ChannelError
    ├── SendError                 raised by ``send``; the delivery policy alone decides what follows
    │   ├── TryLater              not sent, try again (``retry_after`` when the provider said so)
    │   ├── RateLimited           not sent, and nothing else to this scope before ``retry_after``
    │   ├── Refused               never to be sent as it is: the dead letters, and the operator is told
    │   ├── Unreachable           this address will not be reached any more (blocked, does not exist)
    │   └── OutcomeUnknown        the provider's answer was lost: it may have been sent
    ├── StartError                raised by ``check`` and ``run``; raised by ``send``: not sent, the channel pauses
    │   ├── BadSettings           the configuration is wrong: refuse to start, name the key
    │   ├── BadCredentials        the provider says no: the channel is off, an alarm is raised
    │   └── NotReachable          try again with back-off
    ├── NotAccepted               raised by the store: it is away for now, the provider must keep the message
    └── EnvelopeRefused           raised by ``accept``: malformed or too big, kept with the dead letters

An exception outside this tree is treated as :class:`OutcomeUnknown` while sending, and logged with its traceback.
"""


class ChannelError(Exception):
    """Root of the tree. ``code`` is stable and for programs, the message is a sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SendError(ChannelError):
    """A message could not be sent; the subclass says what that means."""


class TryLater(SendError):
    """It was certainly not sent, and it may work later. ``retry_after`` is in seconds."""

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class RateLimited(TryLater):
    """The provider wants a pause: of this address only, or of the whole channel."""

    def __init__(self, code: str, message: str, *, retry_after: float, whole_channel: bool = False) -> None:
        super().__init__(code, message, retry_after=retry_after)
        self.whole_channel = whole_channel


class Refused(SendError):
    """The provider will never take this message."""


class Unreachable(Refused):
    """The provider will never take any message to this address."""


class OutcomeUnknown(SendError):
    """Nobody knows whether it was sent; it is never repeated blindly."""


class StartError(ChannelError):
    """A channel cannot work as it is."""


class BadSettings(StartError):
    """The setting ``key`` is wrong; the message says what was expected."""

    def __init__(self, code: str, message: str, *, key: str) -> None:
        super().__init__(code, message)
        self.key = key


class BadCredentials(StartError):
    """The provider rejects our credentials."""


class NotReachable(StartError):
    """The provider does not answer (yet)."""


class NotAccepted(ChannelError):
    """What a message needs could not be stored, or read, in time; the provider must keep it and deliver it again."""


class EnvelopeRefused(ChannelError):
    """An envelope is malformed or too big; it is kept as a dead letter, so it may be acknowledged."""
