"""What can be set of a Twilio channel."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct, field
from yarl import URL

from adapters.pace import LONGEST_PATIENCE
from config import Duration, Secret, SettingError, Size

LONGEST_CALL = 60_000
LONGEST_TEMPLATE = 1_024
"""Characters of a WhatsApp template with its variables filled in (Twilio error 63021)."""

MOST_VARIABLES = 100
API = "https://api.twilio.com"
WHATSAPP = "whatsapp:"

_NUMBER = re.compile(r"(whatsapp:)?\+[1-9][0-9]{6,14}|[0-9]{3,8}")
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_]{1,16})\s*\}\}")

Sid = Annotated[str, Meta(max_length=34)]
Placeholder = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,16}$")]
Country = Literal["AR", "BR", "MX"]


class ApiKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An API key, which can be withdrawn without changing the auth token."""

    sid: Annotated[str, Meta(pattern=r"^SK[0-9a-fA-F]{32}$", description="Begins with SK.")]
    secret: Annotated[Secret, Meta(description="Its secret; the console shows it once.")]


class TemplateSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text that WhatsApp has approved; only these may be sent when 24 hours have passed."""

    content_sid: Annotated[
        str, Meta(pattern=r"^HX[0-9a-fA-F]{32}$", description="Its Content SID in the Content Template Builder.")
    ]
    language: Annotated[str, Meta(min_length=2, max_length=35, description="BCP 47, such as `pl` or `pt-BR`.")]
    text: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=LONGEST_TEMPLATE,
            description="The approved text, with `{{1}}` where a variable stands: what operators choose from.",
        ),
    ]
    variables: Annotated[
        dict[Placeholder, Annotated[str, Meta(min_length=1, max_length=200)]],
        Meta(description="What each variable means, for whoever fills it in."),
    ] = {}

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names of the variables, in the order of the text."""
        return tuple(dict.fromkeys(_PLACEHOLDER.findall(self.text)))

    def filled(self, variables: dict[str, str]) -> str:
        """Give the text with its variables; those without a value stay as they are."""
        return _PLACEHOLDER.sub(lambda found: variables.get(found[1], found[0]), self.text)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.variables) - set(self.placeholders))
        if unknown:
            raise SettingError(f"{', '.join(unknown)} do not stand in the text as {{{{...}}}}", key="variables")
        if len(self.placeholders) > MOST_VARIABLES:
            raise SettingError(f"has over {MOST_VARIABLES} variables", key="text")


class MediaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files that customers send."""

    limit: Annotated[Size, Meta(description="The largest file that is taken in.")] = Size(16_000_000)
    types: Annotated[
        list[Annotated[str, Meta(pattern=r"^(\*|[a-z0-9.+-]+)/(\*|[a-z0-9.+-]+)$")]],
        Meta(min_length=1, description="The media types that are taken in, by their content; `image/*` is a family."),
    ] = field(default_factory=lambda: ["*/*"])
    delete: Annotated[bool, Meta(description="Whether a file is deleted at Twilio once it is stored here.")] = False


class TwilioSettings(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag="twilio",
    tag_field="type",
    rename={"numbers": "from"},
):
    """WhatsApp and SMS through Twilio."""

    account_sid: Annotated[
        str, Meta(pattern=r"^AC[0-9a-fA-F]{32}$", description="The account, or subaccount, that has the numbers.")
    ]
    auth_token: Annotated[
        Secret,
        Meta(description="The account's auth token: webhooks are signed with it, also where there is an `api_key`."),
    ]
    signing_secrets: Annotated[
        list[Secret],
        Meta(
            max_length=5,
            description="More secrets that may sign what comes in: the auth token before or after it is changed, or "
            "shared keys.",
        ),
    ] = []
    api_key: Annotated[ApiKey, Meta(description="Signs in at the API in the place of the auth token.")] | None = None
    numbers: Annotated[
        str | list[str],
        Meta(
            description="Our numbers: `whatsapp:+14155238886` for WhatsApp, `+14155238886` or a short code for SMS. An "
            "answer goes out from the number that the customer wrote to, else from the first of its kind."
        ),
    ] = []
    messaging_service_sid: Annotated[
        str,
        Meta(
            pattern=r"^(MG[0-9a-fA-F]{32})?$",
            description="A Messaging Service that chooses the number where we do not.",
        ),
    ] = ""
    templates: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=64)], TemplateSettings],
        Meta(description="WhatsApp's approved texts, by a name of your own."),
    ] = {}
    media: Annotated[MediaSettings, Meta(description="Files that customers send.")] = MediaSettings()
    variants: Annotated[
        list[Country],
        Meta(
            description="Countries in which one mobile number is written in two ways, with and without an extra digit; "
            "both are one customer."
        ),
    ] = field(default_factory=lambda: ["AR", "BR", "MX"])
    typing: Annotated[
        bool,
        Meta(
            description="Whether WhatsApp shows that an operator is typing. It then also shows the customer's message "
            "as read."
        ),
    ] = False
    catch_up: Annotated[
        Duration,
        Meta(description="How often Twilio is asked for messages whose webhook did not reach us; 0s: never."),
    ] = Duration(300_000)
    timeout: Annotated[Duration, Meta(description="How long one request to Twilio may take.")] = Duration(15_000)
    retry_for: Annotated[
        Duration,
        Meta(
            description="What could not be sent for this long is given up; 6d at most. Above 1d, what is refused for a "
            "day is tried again after it, and holds its conversation up until then."
        ),
    ] = Duration(86_400_000)
    per_second: Annotated[float, Meta(gt=0, description="The most messages a second; WhatsApp takes 80 a number.")] = (
        80.0
    )
    region: Annotated[
        str, Meta(pattern=r"^[a-z0-9]{0,10}$", description="Where the account lives, such as `ie1`; none: `us1`.")
    ] = ""
    edge: Annotated[
        str, Meta(pattern=r"^[a-z-]{0,30}$", description="Where requests enter Twilio's network, such as `dublin`.")
    ] = ""
    api: Annotated[
        str, Meta(description="Another address of the API: a simulator's. Files are then taken from that host too.")
    ] = API
    media_hosts: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=253)]],
        Meta(description="More hosts that Twilio may redirect to for a file, each with its subdomains."),
    ] = []

    def __post_init__(self) -> None:
        problems = list(self._faults())
        if problems:
            raise ExceptionGroup("twilio", problems)

    @property
    def own(self) -> tuple[str, ...]:
        """Our numbers."""
        return (self.numbers,) if isinstance(self.numbers, str) else tuple(self.numbers)

    @property
    def whatsapp(self) -> bool:
        """Whether any of the numbers is on WhatsApp; a Messaging Service alone may have one."""
        return not self.own or any(number.startswith(WHATSAPP) for number in self.own)

    def _faults(self) -> Iterator[SettingError]:
        if not self.own and not self.messaging_service_sid:
            yield SettingError("name at least one number, or a `messaging_service_sid`", key="from")
        for number in self.own:
            if not _NUMBER.fullmatch(number):
                yield SettingError(
                    f"{number!r} is no number of ours: write whatsapp:+14155238886, +14155238886 or a short code",
                    key="from",
                )
        if not 0 < self.timeout <= LONGEST_CALL:
            yield SettingError("must be above 0s and at most 60s", key="timeout")
        if not 0 < self.retry_for <= LONGEST_PATIENCE:
            yield SettingError("must be above 0s and at most 6d", key="retry_for")
        if fault := _api_fault(self.api):
            yield SettingError(fault, key="api")


def _api_fault(text: str) -> str:
    try:
        url = URL(text)
    except ValueError as exc:
        return f"is not a URL: {exc}"
    if url.scheme not in ("http", "https") or not url.host or url.path not in ("", "/") or url.query_string:
        return f"must be {API}, or the scheme and host of a simulator such as http://127.0.0.1:9000"
    return ""
