"""What Twilio takes as a new message, and with which error it refuses the rest. Pure.

https://www.twilio.com/docs/messaging/api/message-resource and the pages of the errors that are named here.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct
from multidict import MultiMapping
from yarl import URL

WHATSAPP = "whatsapp:"
LONGEST_BODY = 1_600
LONGEST_TEMPLATE = 1_024
MOST_VARIABLES, LONGEST_KEY = 100, 16
MOST_MEDIA = 10
WINDOW = 86_400_000
CAPTIONED = frozenset({"image/jpeg", "image/png", "video/mp4"})
"""Files below which WhatsApp shows a text; below others, what is said is lost."""

LONGEST_CAPTION = 1_024
IMAGE_LIMIT, FILE_LIMIT = 5_000_000, 16_000_000

_TO = re.compile(r"(whatsapp:)?\+[1-9][0-9]{6,14}|whatsapp:[A-Z]{2}\.[A-Za-z0-9.]{1,128}")
_PLACEHOLDER = re.compile(r"\{\{([^}]*)\}\}")
_SID = "{prefix}[0-9a-fA-F]{{32}}"


class Parameter(Struct, frozen=True):
    """One parameter of a request: the pattern of its whole value, and whether it may come several times."""

    pattern: str = "(?s:.*)"
    many: bool = False


PARAMETERS: Mapping[str, Parameter] = {
    "To": Parameter(),
    "From": Parameter(),
    "MessagingServiceSid": Parameter(_SID.format(prefix="MG")),
    "Body": Parameter(),
    "MediaUrl": Parameter("https?://.+", many=True),
    "ContentSid": Parameter(_SID.format(prefix="HX")),
    "ContentVariables": Parameter(),
    "PersistentAction": Parameter(r"geo:-?[0-9.]+,-?[0-9.]+(\|.*)?", many=True),
    "StatusCallback": Parameter("https?://.+"),
}
"""Those that a channel of ours uses; Twilio knows more, and ignores what it does not know. Here that is a mistake."""


class Refusal(Exception):
    """A request is refused, with Twilio's own code."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def faults(form: MultiMapping[str], table: Mapping[str, Parameter]) -> list[str]:
    """Name what in a form does not fit a table of parameters."""
    found = [f"{name} is no parameter" for name in set(form) - set(table)]
    for name in set(form) & set(table):
        values = form.getall(name)
        if len(values) > 1 and not table[name].many:
            found.append(f"{name} comes {len(values)} times")
        found += [f"{name} must not be {value!r}" for value in values if not re.fullmatch(table[name].pattern, value)]
    return sorted(found)


def check(form: MultiMapping[str], senders: Mapping[str, object], templates: Mapping[str, str]) -> None:
    """Check a request for a new message. Raises Refusal."""
    if wrong := faults(form, PARAMETERS):
        raise Refusal(20001, "; ".join(wrong))
    _check_people(form, senders)
    _check_content(form)
    _check_template(form, templates)
    callback = form.get("StatusCallback", "https://a.example")
    if "_" in (URL(callback).host or "_"):
        raise Refusal(21609, f"The 'StatusCallback' URL {callback} is not a valid URL.")


def filled(form: MultiMapping[str], templates: Mapping[str, str]) -> str:
    """Give what the customer reads: the body, or the template with its variables."""
    if "ContentSid" not in form:
        return form.get("Body", "")
    variables: dict[str, str] = msgspec.json.decode(form.get("ContentVariables", "{}"))
    return _PLACEHOLDER.sub(lambda found: variables[found[1]], templates[form["ContentSid"]])


def shown_text(to: str, body: str, types: Iterable[str]) -> str:
    """Give what the customer reads of a body beside files of some types."""
    types = list(types)
    if not types or not to.startswith(WHATSAPP):
        return body
    return body[:LONGEST_CAPTION] if CAPTIONED.issuperset(types) else ""


def _check_people(form: MultiMapping[str], senders: Mapping[str, object]) -> None:
    to, sender = form.get("To", ""), form.get("From", "")
    if not to:
        raise Refusal(21604, "A 'To' phone number is required.")
    if not _TO.fullmatch(to):
        raise Refusal(21211, f"The 'To' number {to} is not a valid phone number.")
    if not sender and "MessagingServiceSid" not in form:
        raise Refusal(21603, "A 'From' phone number is required.")
    if sender and sender not in senders:
        code = 63007 if sender.startswith(WHATSAPP) else 21606
        raise Refusal(code, f"Twilio could not find a Channel with the specified From address {sender}")
    if sender and sender.startswith(WHATSAPP) != to.startswith(WHATSAPP):
        raise Refusal(21910, "Invalid From and To pair. From and To should be of the same channel")


def _check_content(form: MultiMapping[str]) -> None:
    if not any(form.get(name) for name in ("Body", "MediaUrl", "ContentSid")):
        raise Refusal(21619, "A text message body or media urls must be specified.")
    if len(form.get("Body", "").encode("utf-16-le")) // 2 > LONGEST_BODY:
        raise Refusal(21617, "The concatenated message body exceeds the 1600 character limit.")
    most = 1 if form["To"].startswith(WHATSAPP) else MOST_MEDIA
    if len(form.getall("MediaUrl", [])) > most:
        raise Refusal(21623, f"Number of media files exceeds allowed limit of {most}.")


def _check_template(form: MultiMapping[str], templates: Mapping[str, str]) -> None:
    if "ContentSid" not in form:
        if "ContentVariables" in form:
            raise Refusal(21654, "ContentVariables without a ContentSid.")
        return
    if "Body" in form or "MediaUrl" in form:
        raise Refusal(20001, "Body and MediaUrl have no place beside a ContentSid.")
    if form["ContentSid"] not in templates:
        raise Refusal(21655, f"The ContentSid {form['ContentSid']} is Invalid.")
    variables = _variables(form)
    wanted = set(_PLACEHOLDER.findall(templates[form["ContentSid"]]))
    if set(variables) != wanted:
        raise Refusal(21656, "The Content Variables parameter is invalid.")


def _variables(form: MultiMapping[str]) -> dict[str, str]:
    if "ContentVariables" not in form:
        return {}
    try:
        found = msgspec.json.decode(form["ContentVariables"], type=dict[str, str])
    except msgspec.MsgspecError as exc:
        raise Refusal(21656, "The Content Variables parameter is invalid.") from exc
    empty = not found or not all(value.strip() for value in found.values())
    if empty or len(found) > MOST_VARIABLES or any(len(key) > LONGEST_KEY for key in found):
        raise Refusal(21656, "The Content Variables parameter is invalid.")
    return found
