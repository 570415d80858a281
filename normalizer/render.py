"""Rendering: what an operator wrote, brought down to what the customer's channel can show.

Nothing is left out: what has no form on a channel becomes text, a link, or more messages, in the order it was written.
Where that cannot be, :class:`CannotRender` says so before anything is sent.
"""

from collections.abc import Callable

from msgspec.structs import replace

from normalizer.capabilities import Capabilities
from normalizer.content import (
    Call,
    Choice,
    Content,
    Delete,
    Edit,
    Media,
    Reaction,
    Text,
    Unsupported,
)
from normalizer.plain import display_text, file_label, numbered
from normalizer.split import MEASURES, split_text

Link = Callable[[Media], str]
"""Gives the public address of a stored file: ASCII, without white space."""

CORRECTION = "* "
"""Stands before the new text where a message that was sent cannot be changed: what people type themselves."""


class CannotRender(ValueError):
    """The channel has no way to show this; the message is a sentence for the operator."""


def render(content: Content, capabilities: Capabilities, *, link: Link) -> list[Content]:
    """Return the messages to send, at least one, in order; each is within the limits. Raises CannotRender."""
    pieces = _Target(capabilities, link).render(content)
    if not pieces:
        raise CannotRender("There is nothing to send: the message is empty.")
    return pieces


class _Target:
    """A channel that content is rendered for."""

    def __init__(self, capabilities: Capabilities, link: Link) -> None:
        self._can = capabilities
        self._link = link
        self._measure = MEASURES[capabilities.unit]

    def render(self, content: Content) -> list[Content]:
        match content:
            case Text():
                return self._text(content) if self._can.attachments else self._text_then_files(content)
            case Media():
                return self._media(content)
            case Choice():
                return self._choice(content)
            case Edit():
                return self._edit(content)
            case Reaction() | Delete() | Call() | Unsupported():
                return [content] if self._takes(content) else self._said_otherwise(content)
            case _:
                return [content] if self._takes(content) else self._paragraphs(display_text(content))

    def _takes(self, content: Content) -> bool:
        return content.__struct_config__.tag in self._can.kinds

    def _split(self, text: str) -> list[str]:
        return split_text(text, self._can.text_limit, self._measure)

    def _paragraphs(self, text: str) -> list[Content]:
        return [Text(text=piece) for piece in self._split(text)]

    def _text(self, content: Text) -> list[Content]:
        """Text and files as one message; only the last one of a long text carries the files."""
        files = tuple(media for media in content.attachments if self._carries(media))
        links = [self._linked(media) for media in content.attachments if media not in files]
        *first, last = self._split("\n\n".join(filter(None, (self._worded(content), *links)))) or [""]
        message = replace(
            content, full="", html=None, attachments=(), subject=content.subject if self._can.subject else ""
        )
        pieces: list[Content] = [replace(message, text=text) for text in first]
        return [*pieces, replace(message, text=last, attachments=files)] if last or files else pieces

    def _text_then_files(self, content: Text) -> list[Content]:
        message = replace(
            content, full="", html=None, attachments=(), subject=content.subject if self._can.subject else ""
        )
        pieces: list[Content] = [replace(message, text=text) for text in self._split(self._worded(content))]
        return pieces + [piece for media in content.attachments for piece in self._media(media)]

    def _worded(self, content: Text) -> str:
        """Return the text, headed by the subject where the channel has no place for one."""
        if self._can.subject or not content.subject:
            return content.text
        return f"{content.subject}\n\n{content.text}"

    def _carries(self, media: Media) -> bool:
        return media.file.size <= self._can.max_file_size(media.type)

    def _media(self, media: Media) -> list[Content]:
        if not self._carries(media):
            return self._paragraphs("\n".join(filter(None, (media.caption, self._linked(media)))))
        if self._measure(media.caption) <= self._can.max_caption(media.type):
            return [media]
        return [replace(media, caption=""), *self._paragraphs(media.caption)]

    def _linked(self, media: Media) -> str:
        """Return a file's name and link, on lines of their own so that no cut falls into the link."""
        url = self._link(media)
        if self._measure(url) > self._can.text_limit:
            raise CannotRender(
                f"The file {file_label(media)} can only be sent as a link, and the link is longer than "
                f"the {self._can.text_limit} characters that this channel takes."
            )
        return f"{file_label(media)}\n{url}"

    def _choice(self, choice: Choice) -> list[Content]:
        if not (self._takes(choice) and self._has_buttons_for(choice)):
            return self._paragraphs(numbered(choice))
        *first, last = self._split(choice.text) or [""]
        pieces: list[Content] = [Text(text=text) for text in first]
        return [*pieces, replace(choice, text=last)]

    def _has_buttons_for(self, choice: Choice) -> bool:
        return 0 < len(choice.options) <= self._can.buttons and all(
            self._measure(option.label) <= self._can.button_limit and (self._can.link_buttons or not option.url)
            for option in choice.options
        )

    def _edit(self, edit: Edit) -> list[Content]:
        """Change the message, or send the new text as a correction; what no longer fits into the message follows it."""
        if not self._takes(edit):
            return self._paragraphs(CORRECTION + edit.text) if edit.text.strip() else []
        pieces = self._split(edit.text)
        changed: list[Content] = [replace(edit, text=text) for text in pieces[:1]]
        return [*changed, *(Text(text=text) for text in pieces[1:])]

    def _said_otherwise(self, content: Reaction | Delete | Call | Unsupported) -> list[Content]:
        match content:
            case Reaction() if content.emoji:
                return self._paragraphs(content.emoji)
            case Reaction():
                raise CannotRender("This channel has no reactions, so none can be taken back.")
            case Delete():
                raise CannotRender("This channel cannot take back a message that was sent; send a correction instead.")
            case Call():
                raise CannotRender("This channel cannot show a call event; write what the customer should know.")
            case _:
                raise CannotRender(f"This channel cannot show {content.what!r}; send it as text or as a file.")
