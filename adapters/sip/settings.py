"""What can be set of a phone channel: common things, and what each source of call events needs."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec
import phonenumbers
from msgspec import Meta, Struct

from adapters.urls import url_fault
from config import Duration, ListenAddress, Secret, SettingError

SourceName = Literal["kamailio", "asterisk", "webhook"]

SHORTEST_SECRET = 16
LONGEST_WAIT = 600_000

NEEDED: Mapping[SourceName, tuple[str, ...]] = {
    "kamailio": ("address",),
    "asterisk": ("url", "user", "password"),
    "webhook": ("secrets",),
}
ALLOWED: Mapping[SourceName, tuple[str, ...]] = {
    "kamailio": ("control", "password", "dial"),
    "asterisk": ("app", "dial", "phones", "wait"),
    "webhook": ("url",),
}
"""Beside those that are needed."""

FOR_ALL = ("source", "country", "hosts")
Host = Annotated[str, Meta(pattern=r"^([a-z0-9.-]+|\[[0-9a-f:]+\])$", max_length=253)]
"""As it stands in an address: in lower case, without a port."""


class SipSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sip", tag_field="type"):
    """Phone calls, as a telephone system tells of them."""

    source: Annotated[
        SourceName,
        Meta(description="What tells of calls: Kamailio, Asterisk (ARI), or any other system over signed webhooks."),
    ]
    country: Annotated[
        str,
        Meta(
            description="Where numbers without a + are at home, such as `PL` (ISO 3166). None: they are known within "
            "this channel only."
        ),
    ] = ""
    hosts: Annotated[
        list[Host],
        Meta(
            max_length=50,
            description="The hosts of our own SIP addresses, such as `pbx.example`. A caller without a number is "
            "called back by name only if the name is at one of these; none: only numbers are called.",
        ),
    ] = []
    address: Annotated[ListenAddress, Meta(description="kamailio: where evapi listens (TRUNKLINE_EVENTS).")] | None = (
        None
    )
    control: (
        Annotated[ListenAddress, Meta(description="kamailio: where it takes wishes; none: the port after `address`.")]
        | None
    ) = None
    password: Annotated[
        Secret, Meta(description="kamailio: TRUNKLINE_TOKEN, if one is set; asterisk: of the user in ari.conf.")
    ] = Secret("")
    url: Annotated[
        str,
        Meta(
            description="asterisk: its HTTP server, such as http://127.0.0.1:8088; webhook: where wishes are posted, "
            "on the machine that recordings are fetched from. https, or http to this machine."
        ),
    ] = ""
    user: Annotated[str, Meta(description="asterisk: the user in ari.conf.")] = ""
    app: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="asterisk: the name that the dialplan gives to Stasis.")
    ] = "trunkline"
    phones: Annotated[
        str, Meta(description="asterisk: how an operator's phone is dialled; {user} is the part before its @.")
    ] = "PJSIP/{user}"
    dial: Annotated[
        str,
        Meta(
            description="How a customer is dialled, {number} being the number: sip:{number}@pbx.example:5060 "
            "(kamailio), PJSIP/{number}@trunk (asterisk). None: nobody is called from the desk."
        ),
    ] = ""
    wait: Annotated[
        Duration, Meta(description="asterisk: how long a caller waits for an operator before the dialplan goes on.")
    ] = Duration(120_000)
    secrets: Annotated[
        list[Secret],
        Meta(
            max_length=5,
            description="webhook: shared secrets of at least 16 characters. The first signs what goes out, each may "
            "sign what comes in.",
        ),
    ] = []

    def __post_init__(self) -> None:
        problems = [*self._missing(), *self._foreign(), *self._wrong()]
        if problems:
            raise ExceptionGroup("sip", problems)

    def control_url(self) -> str:
        """Give where Kamailio takes wishes."""
        if self.address is None:
            raise ValueError("only a Kamailio has a control address")
        place = self.control or f"{self.address.rpartition(':')[0]}:{self.address.port + 1}"
        return f"http://{place}/trunkline"

    def _missing(self) -> Iterator[SettingError]:
        for key in NEEDED[self.source]:
            if not getattr(self, key):
                yield SettingError(f"is needed with source: {self.source}", key=key)

    def _foreign(self) -> Iterator[SettingError]:
        known = {*NEEDED[self.source], *ALLOWED[self.source], *FOR_ALL}
        for field in msgspec.structs.fields(self):
            default = [] if field.default is msgspec.NODEFAULT else field.default
            if field.name not in known and getattr(self, field.name) != default:
                yield SettingError(f"is not for source: {self.source}; remove it", key=field.name)

    def _wrong(self) -> Iterator[SettingError]:
        if self.country and self.country not in phonenumbers.SUPPORTED_REGIONS:
            yield SettingError("must be two capital letters of ISO 3166, such as PL", key="country")
        if self.url and (fault := url_fault(self.url)):
            yield SettingError(fault, key="url")
        if any(len(secret.reveal()) < SHORTEST_SECRET for secret in self.secrets):
            yield SettingError(
                f"a secret is shorter than {SHORTEST_SECRET} characters; make one with `openssl rand -hex 32`",
                key="secrets",
            )
        if self.dial and "{number}" not in self.dial:
            yield SettingError("must hold {number} where the number stands", key="dial")
        if "{user}" not in self.phones:
            yield SettingError("must hold {user} where the name of the phone stands", key="phones")
        if not 0 < self.wait <= LONGEST_WAIT:
            yield SettingError("must be above 0s and at most 10m", key="wait")
