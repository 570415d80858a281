"""Settings of who answers: the operators, and what the work of a channel costs them."""

from collections.abc import Mapping
from typing import Annotated, Literal

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from msgspec import Meta, Struct, field

from config import Duration, Secret, SettingError
from router.policy import phone_key
from router.rules import ChannelClass

Token = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Units = Annotated[int, Meta(ge=0, le=100)]
Level = Annotated[int, Meta(ge=1, le=5)]
LanguageLevel = Literal["A1", "A2", "B1", "B2", "C1", "C2", "native"]


class OperatorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One operator."""

    name: Annotated[str, Meta(min_length=1, max_length=100, description="The name that customers and colleagues see.")]
    password_hash: Annotated[
        Secret | None, Meta(description="Made by `trunkline hash-password`; none: no sign-in.")
    ] = None
    role: Annotated[
        Literal["operator", "supervisor"],
        Meta(description="A supervisor sees all conversations and may take, give and force."),
    ] = "operator"
    avatar: Annotated[str, Meta(description="Address of a picture.")] = ""
    phone: Annotated[
        str,
        Meta(
            pattern=r"^(sips?:[^\s@<>]+@[^\s@<>]+)?$",
            description="SIP address of the phone that rings for this operator, such as sip:anna@pbx.example; "
            "none: calls go to others.",
        ),
    ] = ""
    skills: Annotated[dict[Token, Level], Meta(description="Skill to level, 1 to 5.")] = field(default_factory=dict)
    languages: Annotated[dict[Token, LanguageLevel], Meta(description="Language to level; none named: any.")] = field(
        default_factory=dict
    )
    capacity: Annotated[
        dict[Token, Annotated[int, Meta(ge=0, le=10_000)]],
        Meta(description="`units` in all (100 by default), and conversations at once per kind of channel."),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.password_hash is not None:
            try:
                extract_parameters(self.password_hash.reveal())
            except InvalidHashError as exc:
                told = "is no argon2 hash: make one with `trunkline hash-password`, and keep its $ signs as they are"
                raise SettingError(told, key="password_hash") from exc


class ChannelWork(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a conversation of a channel costs an operator, and how it is offered."""

    units: Annotated[Units | None, Meta(description="Units it takes of an operator's total.")] = None
    kind: Annotated[
        ChannelClass | None,
        Meta(description="`exclusive` needs a free operator, `deferrable` does not keep anybody from other work."),
    ] = None
    accept: Annotated[
        Literal["auto", "manual"] | None,
        Meta(description="Whether the operator has to accept an offer; a call always rings first."),
    ] = None
    offer_timeout: Annotated[Duration, Meta(description="How long an offer that must be accepted stands.")] = Duration(
        20_000
    )
    park_after: Annotated[
        Duration | None,
        Meta(
            description="A conversation that was answered and in which nothing happens for so long is put aside: its "
            "operator keeps it, and it takes no room until the customer writes. 10m, for calls 0s: never."
        ),
    ] = None


def shared_phones(operators: Mapping[str, OperatorSettings]) -> list[SettingError]:
    """Find phones that stand with two operators: nobody could say then who has answered."""
    owners: dict[str, str] = {}
    problems = []
    for name, operator in operators.items():
        first = owners.setdefault(phone_key(operator.phone), name) if operator.phone else name
        if first != name:
            said = f"is {first}'s phone already; with two operators on one phone nobody knows who has answered"
            problems.append(SettingError(said, key=("operators", name, "phone")))
    return problems
