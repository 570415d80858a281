"""What Twilio's error codes mean for us: https://www.twilio.com/docs/api/errors and, for 63xxx, its WhatsApp pages.

One table serves both places where a code comes: the answer to a request, and a status callback later.
"""

from http import HTTPStatus
from typing import Literal

from msgspec import Struct

from adapters.errors import (
    BadCredentials,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SendError,
    StartError,
    TryLater,
    Unreachable,
)

Kind = Literal["template", "rate", "retry", "tomorrow", "contact", "ours", "account"]
RATE_PAUSE = 5.0
TOMORROW = 86_400.0
NO_ROUTE = 20_404


class Meaning(Struct, frozen=True):
    """What a code means: for the policy, and as a sentence for the operator."""

    kind: Kind
    sentence: str


class ApiError(Exception):
    """Twilio answered a request with an error; ``code`` is Twilio's own, 0 where it gave none."""

    def __init__(self, status: int, code: int, message: str, retry_after: float | None) -> None:
        super().__init__(f"status {status}, code {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


WINDOW_CLOSED = (
    "More than 24 hours have passed since the customer's last message on WhatsApp: send an approved template instead."
)
_ACCOUNT = "Twilio does not accept the account's credentials, or the account is suspended"
_NOT_ON = "This number is not on WhatsApp, or cannot receive messages."
_BLOCKED = "The customer has blocked us or opted out of our messages."
_TEMPLATE = "The template does not fit what WhatsApp has approved: compare `templates` with Twilio's console."
_MEDIA = "WhatsApp does not take this file: check its type and size, and that our public address can be reached."
_CHANNEL = "WhatsApp had a passing fault; send it again in a few minutes."
_TOO_LONG = "The message is longer than Twilio takes."

MEANINGS: dict[int, Meaning] = {
    20003: Meaning("account", _ACCOUNT),
    20005: Meaning("account", _ACCOUNT),
    20008: Meaning("account", "Test credentials cannot send; set the live ones."),
    20429: Meaning("rate", "Twilio takes no more requests of this account at the moment."),
    21211: Meaning("contact", "This is not a number that can receive messages."),
    21408: Meaning("ours", "The account may not send to this country: allow it in Twilio's geographic permissions."),
    21606: Meaning("ours", "Our number cannot send this message: check `from`."),
    21608: Meaning("ours", "A trial account can only send to numbers that were verified with Twilio."),
    21609: Meaning(
        "ours", "Twilio cannot call our public address: set `http.public_url` to one that the internet reaches."
    ),
    21610: Meaning("contact", _BLOCKED),
    21611: Meaning("rate", "Too many messages of this number wait at Twilio."),
    21612: Meaning("contact", "Twilio has no way from our number to this one."),
    21614: Meaning("contact", "This is not a mobile number."),
    21617: Meaning("ours", _TOO_LONG),
    21620: Meaning("ours", _MEDIA),
    21654: Meaning("ours", "Variables were sent without a template."),
    21655: Meaning("ours", "The template's Content SID does not exist in this account: correct `content_sid`."),
    21656: Meaning("ours", "A variable of the template is missing or empty, or holds what WhatsApp does not take."),
    21658: Meaning("ours", _TOO_LONG),
    21659: Meaning("ours", "Our number does not belong to this account: check `from`."),
    21660: Meaning("ours", "Our number does not belong to this account: check `from` and `account_sid`."),
    21703: Meaning("ours", "The Messaging Service has no number that could send this."),
    30001: Meaning("rate", "The queue at Twilio is full."),
    30002: Meaning("account", "The account was suspended while the message was on its way."),
    30003: Meaning("contact", "The phone is switched off, or cannot be reached at the moment."),
    30004: Meaning("contact", "The number does not take messages from us."),
    30005: Meaning("contact", "The number does not exist any more."),
    30006: Meaning("contact", "This is a landline, or a network that Twilio does not reach."),
    30007: Meaning("ours", "The network has filtered the message as spam."),
    30008: Meaning("retry", "The network did not deliver it and did not say why."),
    30022: Meaning("rate", "Too many messages for the number's registration in the United States."),
    30034: Meaning("ours", "Our number is not registered for messages to the United States (A2P 10DLC)."),
    63001: Meaning(
        "ours", "WhatsApp does not accept our number's credentials: look at the sender in Twilio's console."
    ),
    63003: Meaning("contact", _NOT_ON),
    63005: Meaning("retry", _CHANNEL),
    63007: Meaning("ours", "Our number is not a WhatsApp sender of this account: check `from`."),
    63010: Meaning("retry", _CHANNEL),
    63012: Meaning("retry", _CHANNEL),
    63013: Meaning("ours", "The message violates a policy of WhatsApp."),
    63014: Meaning("contact", _BLOCKED),
    63016: Meaning("template", WINDOW_CLOSED),
    63017: Meaning("rate", "Too many messages of all our accounts at once."),
    63018: Meaning(
        "rate", "Too many messages at once for WhatsApp, or too many to this customer; send it again later."
    ),
    63019: Meaning("ours", _MEDIA),
    63020: Meaning("ours", "WhatsApp has a claim on the account: look at the bill in Meta's Business Manager."),
    63021: Meaning("ours", "WhatsApp does not take the content: a file, a text that is too long, or a wrong template."),
    63022: Meaning("retry", _CHANNEL),
    63023: Meaning("retry", _CHANNEL),
    63024: Meaning("contact", _NOT_ON),
    63025: Meaning("ours", "This message was sent before."),
    63027: Meaning("ours", "The template does not exist in this language, or is not approved."),
    63028: Meaning("ours", _TEMPLATE),
    63029: Meaning("retry", "The customer's WhatsApp has not taken the template."),
    63030: Meaning("ours", _TEMPLATE),
    63032: Meaning("contact", "WhatsApp keeps messages like this one from this customer at the moment."),
    63036: Meaning("contact", "This customer cannot be reached on this channel."),
    63038: Meaning("tomorrow", "The account has sent as many messages as it may in 24 hours."),
    63049: Meaning("tomorrow", "WhatsApp has withheld a marketing message; not before 24 hours have passed."),
}
"""Every other code is taken as final, with Twilio's own words."""


def meaning(code: int, words: str = "") -> Meaning:
    """Give what a code means; of one that is not in the table, that it is final."""
    known = MEANINGS.get(code)
    return known or Meaning("ours", f"Twilio refused the message{f': {words}' if words else ''}.")


def describe(code: str) -> str:
    """Give the sentence for a code in a status callback; digits, or empty."""
    if not code:
        return "The message was not delivered; Twilio gave no reason."
    number = int(code) if code.isascii() and code.isdecimal() else 0
    known = MEANINGS.get(number)
    return known.sentence if known else f"The message was not delivered (Twilio's error {code})."


def to_send_error(error: ApiError) -> SendError | StartError:
    """Give what an answer to the request to send means for the delivery policy."""
    if error.code in MEANINGS:
        return _known(error, MEANINGS[error.code])
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _known(error, MEANINGS[20429])
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _known(error, MEANINGS[20003])
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return TryLater("http_503", "Twilio is not available at the moment.", retry_after=error.retry_after)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return OutcomeUnknown(
            f"http_{error.status}", "Twilio failed while it worked on the message, which may have been sent."
        )
    return Refused(_code(error), meaning(error.code, error.message).sentence)


def _known(error: ApiError, known: Meaning) -> SendError | StartError:
    code, sentence = _code(error), known.sentence
    match known.kind:
        case "rate":
            pause = RATE_PAUSE if error.retry_after is None else error.retry_after
            return RateLimited(code, sentence, retry_after=pause, whole_channel=True)
        case "retry":
            return TryLater(code, sentence, retry_after=error.retry_after)
        case "tomorrow":
            return TryLater(code, sentence, retry_after=TOMORROW)
        case "contact":
            return Unreachable(code, sentence)
        case "account":
            return BadCredentials(code, f"{sentence} (Twilio's error {code})")
        case "template" | "ours":
            return Refused(code, sentence)


def _code(error: ApiError) -> str:
    return str(error.code) if error.code else f"http_{error.status}"
