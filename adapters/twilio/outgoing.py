"""What we send, in Twilio's words. Pure.

https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
"""

import re
from collections.abc import Callable

import msgspec
from msgspec import Struct

from adapters.errors import Refused
from adapters.twilio.errors import WINDOW_CLOSED
from adapters.twilio.mapping import Trace, read_trace
from adapters.twilio.numbers import to_twilio
from adapters.twilio.settings import LONGEST_TEMPLATE, WHATSAPP, TemplateSettings, TwilioSettings
from normalizer.capabilities import Capabilities, Unit
from normalizer.content import Content, Location, Media, Template, Text
from normalizer.outbound import Outbound
from normalizer.plain import display_text, file_label

WINDOW = 86_400
LONGEST_BODY = 1_600
LONGEST_CAPTION = 1_024
"""UTF-16 units that WhatsApp shows below a file (Cloud API, media object)."""

CAPTIONED = frozenset({"image/jpeg", "image/png", "video/mp4"})
"""Files whose text the customer reads below them. Twilio takes a text beside most types ("Accepted content types for
media"), but sets none for documents ("Guidance on WhatsApp media messages"), and WhatsApp has no place for one below a
voice message or a sticker."""

IMAGE, ANY_FILE, STICKER = 5_000_000, 16_000_000, 100_000
"""Bytes: https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages."""

_OFFICE = "application/vnd.openxmlformats-officedocument"
WHATSAPP_CAN = Capabilities(
    text_limit=LONGEST_BODY,
    caption_limit=LONGEST_CAPTION,
    captions=CAPTIONED,
    unit=Unit.UTF16_UNITS,
    kinds=frozenset({"location", "template"}),
    media={
        "image/jpeg": IMAGE,
        "image/png": IMAGE,
        "image/webp": STICKER,
        "audio/aac": ANY_FILE,
        "audio/amr": ANY_FILE,
        "audio/mpeg": ANY_FILE,
        "audio/ogg": ANY_FILE,
        "video/mp4": ANY_FILE,
        "application/pdf": ANY_FILE,
        "application/msword": ANY_FILE,
        f"{_OFFICE}.wordprocessingml.document": ANY_FILE,
        f"{_OFFICE}.presentationml.presentation": ANY_FILE,
        f"{_OFFICE}.spreadsheetml.sheet": ANY_FILE,
    },
    delivered=True,
    read=True,
    window=WINDOW,
)
SMS_CAN = Capabilities(text_limit=LONGEST_BODY, unit=Unit.UTF16_UNITS, delivered=True)

_NOT_IN_VARIABLES = re.compile(r"[\n\r\t]| {5,}")

Link = Callable[[Media], str]


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The parameters of one message, as Twilio's library calls them; those without a value are not sent.

    ``says`` is no parameter: what Twilio will list as the message's text.
    """

    to: str
    from_: str = ""
    messaging_service_sid: str = ""
    body: str = ""
    media_url: tuple[str, ...] = ()
    persistent_action: tuple[str, ...] = ()
    content_sid: str = ""
    content_variables: str = ""
    says: str = ""

    @property
    def parameters(self) -> dict[str, str | list[str]]:
        """Give them as keywords for the library."""
        found = {name: getattr(self, name) for name in self.__struct_fields__ if name != "says"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items() if value}


def to_message(outbound: Outbound, settings: TwilioSettings, *, link: Link) -> Message:
    """Give the message to create. Raises Refused for what Twilio or WhatsApp would refuse for certain."""
    trace = read_trace(outbound.channel_data)
    to = trace.to if trace else to_twilio(outbound.address)
    addressed = Message(to=to, from_=_own(to, trace, settings), messaging_service_sid=settings.messaging_service_sid)
    if not to.startswith(WHATSAPP):
        return _plain(addressed, outbound.content, link)
    return _on_whatsapp(addressed, outbound.content, settings, link)


def _own(to: str, trace: Trace | None, settings: TwilioSettings) -> str:
    """Give the number to answer from: the one that was written to, else the first of the same kind."""
    if trace and trace.own:
        return trace.own
    kind = to.startswith(WHATSAPP)
    found = next((number for number in settings.own if number.startswith(WHATSAPP) == kind), "")
    if not found and not settings.messaging_service_sid:
        raise Refused("no_number", f"None of the channel's numbers sends {'WhatsApp' if kind else 'SMS'}: see `from`.")
    return found


def check_window(outbound: Outbound, settings: TwilioSettings, now: int) -> None:
    """Refuse what WhatsApp would refuse: free texts a day after the customer's last message, where that is known."""
    trace = read_trace(outbound.channel_data)
    if trace is None or not trace.to.startswith(WHATSAPP) or isinstance(outbound.content, Template):
        return
    if now - trace.at > WINDOW * 1_000:
        names = ", ".join(settings.templates) or "none is declared yet"
        raise Refused("window_closed", f"{WINDOW_CLOSED} (Templates: {names}.)")


def _plain(message: Message, content: Content, link: Link) -> Message:
    """Give an SMS: whatever it is becomes text, a file becomes a link."""
    if isinstance(content, Media):
        return _said(message, "\n".join(filter(None, [content.caption, file_label(content), link(content)])))
    return _said(message, display_text(content))


def _on_whatsapp(message: Message, content: Content, settings: TwilioSettings, link: Link) -> Message:
    replace = msgspec.structs.replace
    match content:
        case Text():
            return _said(message, content.text)
        case Media():
            return replace(_said(message, content.caption), media_url=(link(content),))
        case Location():
            place = f"geo:{content.latitude:.6f},{content.longitude:.6f}"
            label = content.address or content.name
            said = _said(message, content.name or label or display_text(content))
            return replace(said, persistent_action=(f"{place}|{label}" if label else place,))
        case Template():
            chosen = settings.templates.get(content.name)
            if chosen is None:
                raise Refused("unknown_template", f'There is no template "{content.name}" in the channel\'s settings.')
            variables = _variables(content, chosen)
            return replace(
                message,
                content_sid=chosen.content_sid,
                content_variables=msgspec.json.encode(variables).decode() if variables else "",
                says=chosen.filled(variables),
            )
        case other:
            raise Refused("unsupported", f"WhatsApp through Twilio cannot send a {other.__struct_config__.tag}.")


def _said(message: Message, text: str) -> Message:
    return msgspec.structs.replace(message, body=text, says=text)


def _variables(content: Template, template: TemplateSettings) -> dict[str, str]:
    """Give a value for each variable; WhatsApp refuses empty ones and line breaks."""
    wanted = template.placeholders
    missing = [name for name in wanted if not content.variables.get(name, "").strip()]
    if missing:
        raise Refused("variable_missing", f'The template "{content.name}" needs a value for {", ".join(missing)}.')
    given = {name: content.variables[name] for name in wanted}
    broken = [name for name, value in given.items() if _NOT_IN_VARIABLES.search(value)]
    if broken:
        raise Refused(
            "variable_broken",
            f"The value for {', '.join(broken)} holds a line break, a tab or many spaces, which WhatsApp refuses.",
        )
    if len(template.filled(given)) > LONGEST_TEMPLATE:
        raise Refused("template_too_long", f"With its values the template is over {LONGEST_TEMPLATE} characters.")
    return given


def same(mine: Message, *, to: str, sender: str, body: str, files: bool) -> bool:
    """Whether a message that Twilio lists may be the one that we sent."""
    if to != mine.to or (mine.from_ and sender != mine.from_):
        return False
    return files == bool(mine.media_url) and body.strip() == mine.says.strip()
