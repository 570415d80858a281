"""What travels over the wire of a webhook channel, in both directions (docs/webhook.md)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from normalizer.content import LongText, Option
from normalizer.plain import clean_text

Word = Annotated[str, Meta(min_length=1, max_length=255)]


class IncomingMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """What a customer said. Exactly one of ``text`` and ``choice`` (the id of an option that was picked)."""

    id: Word
    sender: Word
    at: Annotated[int, Meta(ge=0)] | None = None
    name: Annotated[str, Meta(max_length=255)] = ""
    text: LongText = ""
    choice: Annotated[str, Meta(max_length=64)] = ""
    language: Annotated[str, Meta(max_length=35)] = ""
    reply_to: Annotated[str, Meta(max_length=255)] | None = None
    attributes: Annotated[
        dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=1_000)]], Meta(max_length=32)
    ] = {}

    def __post_init__(self) -> None:
        if bool(clean_text(self.text).strip()) == bool(self.choice):
            raise ValueError("exactly one of `text` and `choice` is needed")


class IncomingReceipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of a message that was posted to the receiver."""

    id: Annotated[str, Meta(min_length=1, max_length=80)]
    state: Literal["sent", "delivered", "read", "failed"]
    at: Annotated[int, Meta(ge=0)] | None = None
    code: Annotated[str, Meta(max_length=64)] = ""
    error: Annotated[str, Meta(max_length=1_000)] = ""


class OutgoingMessage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is posted to the receiver; ``id`` is the same in every attempt."""

    id: str
    conversation: str
    to: str
    at: int
    text: str
    by: str = ""
    options: tuple[Option, ...] = ()
    reply_to: str | None = None


class Taken(Struct, frozen=True):
    """The receiver's answer: its own id of the message, if it has one."""

    id: Annotated[str, Meta(max_length=255)] = ""
