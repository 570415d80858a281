"""What a provider over HTTP may do with a request: answer, hang, cut the connection, and all of it after the deed."""

from msgspec import Struct


class Answer(Struct, frozen=True, kw_only=True):
    """An ordinary answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}


class Hang(Struct, frozen=True):
    """Read the request and never answer."""


class Cut(Struct, frozen=True):
    """Read the request and cut the connection."""


Step = Answer | Hang | Cut


class After(Struct, frozen=True):
    """Do what was asked, and then lose the answer: ``step`` is what the client sees instead."""

    step: Step


class Pass(Struct, frozen=True):
    """No fault for this request."""


Fault = Step | After | Pass


class Request(Struct, frozen=True):
    """A request as it came. ``path`` holds the query as well."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
