"""What a channel can show, declared by its adapter and read by :mod:`normalizer.render`."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

MIN_TEXT_LIMIT = 16


class Unit(StrEnum):
    """What a provider counts when it says "characters"."""

    CODE_POINTS = "code_points"
    UTF16_UNITS = "utf16_units"
    UTF8_BYTES = "utf8_bytes"


Kind = Literal[
    "location", "contact", "choice", "reaction", "edit", "delete", "form", "rating", "call", "template", "unsupported"
]
"""The content kinds that a channel may or may not take as they are. Text always goes; files have ``media``."""

MediaPattern = Annotated[str, Meta(pattern=r"^(\*/\*|[a-z0-9][a-z0-9.+-]*/(\*|[a-z0-9][a-z0-9.+-]*))$", max_length=127)]
"""``image/png``, ``image/*`` or ``*/*``, in lower case."""


class Capabilities(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one channel can show; the default is the poorest one there is, a line of plain text.

    ``text_limit`` and ``caption_limit`` count ``unit``; a ``caption_limit`` of 0 means that files bear no caption.
    ``captions`` are the types and patterns of files that bear one; what others say is a message behind them.
    ``kinds`` are taken as they are, all others are rendered as text.
    ``media`` gives the largest file in bytes for each type or pattern; the most precise pattern decides, and a type
    without one is sent as a link.
    ``buttons`` is how many options a ``choice`` may have, ``button_limit`` how long a label may be in ``unit``,
    ``link_buttons`` whether an option may open a page.
    ``attachments``: text and files travel as one message, with a ``subject`` where that is true as well (e-mail).
    ``markup`` is what the adapter has to escape text for: contents are always plain text.
    ``replies``: an answer may point at the message it answers. ``delivered`` and ``read``: such receipts come back.
    ``window`` is for how many seconds after the customer's last message the provider lets us answer, None for ever.
    """

    text_limit: Annotated[int, Meta(ge=MIN_TEXT_LIMIT)] = 1_600
    caption_limit: Annotated[int, Meta(ge=0)] = 0
    captions: frozenset[MediaPattern] = frozenset({"*/*"})
    unit: Unit = Unit.CODE_POINTS
    kinds: frozenset[Kind] = frozenset()
    media: dict[MediaPattern, Annotated[int, Meta(gt=0)]] = {}
    buttons: Annotated[int, Meta(ge=0)] = 0
    button_limit: Annotated[int, Meta(ge=1)] = 20
    link_buttons: bool = False
    attachments: bool = False
    subject: bool = False
    markup: Literal["plain", "html", "markdown"] = "plain"
    replies: bool = False
    typing: bool = False
    delivered: bool = False
    read: bool = False
    window: Annotated[int, Meta(gt=0)] | None = None

    def max_file_size(self, media_type: str) -> int:
        """Return the largest file of ``media_type`` in bytes that the channel takes; 0 when it takes none."""
        return next((self.media[pattern] for pattern in _patterns(media_type) if pattern in self.media), 0)

    def max_caption(self, media_type: str) -> int:
        """Return the longest caption in ``unit`` of a file of ``media_type``; 0 when it bears none."""
        return self.caption_limit if any(pattern in self.captions for pattern in _patterns(media_type)) else 0


def _patterns(media_type: str) -> tuple[str, str, str]:
    return media_type, f"{media_type.partition('/')[0]}/*", "*/*"
