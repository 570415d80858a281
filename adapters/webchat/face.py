"""What a shop decides about its chat: looks, words, questions, rating, invitations. Part of the settings."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from config import Duration, SettingError

Colour = Annotated[str, Meta(pattern="^#[0-9a-fA-F]{6}$", examples=["#1d5c4a"])]
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
Words = dict[Annotated[str, Meta(pattern="^[a-z]{2,3}$")], Annotated[str, Meta(min_length=1, max_length=500)]]
"""Language to text."""

Patterns = list[Annotated[str, Meta(min_length=1, max_length=300)]]
MESSAGE = "message"
"""The answer that every form has: what the visitor wants to say."""

RESERVED = frozenset({MESSAGE, "page", "title", "referrer", "campaign", "department", "invitation"})
"""What an attribute is called that the chat itself tells; ``user`` and all that begins with it as well."""


class Texts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the chat says in one language; what is left out is said in its built-in words."""

    title: Annotated[str, Meta(max_length=80, description="The heading of the chat.")] = ""
    subtitle: Annotated[str, Meta(max_length=120, description="The line below it, while nobody has the chat yet.")] = ""
    greeting: Annotated[str, Meta(max_length=500, description="What stands in an empty chat.")] = ""
    launcher: Annotated[str, Meta(max_length=40, description="Words beside the sign of the button; none: a sign.")] = ""
    write: Annotated[str, Meta(max_length=80, description="What stands in the empty field.")] = ""
    offline: Annotated[str, Meta(max_length=500, description="Above the form for when nobody is there.")] = ""


class Theme(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the chat looks. The colour of the writing on `color` is chosen by the chat, so that it can be read."""

    color: Annotated[Colour, Meta(description="Of the button, the heading and the visitor's messages.")] | None = None
    position: Annotated[
        Literal["end", "start"] | None, Meta(description="The corner; `end` is right where one reads from the left.")
    ] = None
    radius: Annotated[
        Annotated[int, Meta(ge=0, le=28)] | None, Meta(description="How round the corners are, in pixels; 18.")
    ] = None
    scheme: Annotated[
        Literal["auto", "light", "dark"] | None, Meta(description="`auto`: as the visitor's device has it.")
    ] = None


class Variant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Looks and words that hold on some pages only, or for a department (`data-department` of the script)."""

    pages: Annotated[Patterns, Meta(description="Paths such as `/pro/*`; none: all pages.")] = field(
        default_factory=list
    )
    department: Annotated[str, Meta(max_length=40, description="None: any.")] = ""
    theme: Theme = Theme()
    texts: dict[str, Texts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.pages and not self.department:
            raise SettingError("say for which `pages` or which `department` it holds")


class Option(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of several answers."""

    value: Annotated[str, Meta(min_length=1, max_length=64, description="What rules and operators see.")]
    label: Annotated[Words, Meta(min_length=1, description="What the visitor sees, by language.")]


class Question(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One question before the chat. The answer is an attribute of the message, for routing by `when: attributes`."""

    name: Annotated[Name, Meta(description="The attribute. `name` is also shown as the visitor's name.")]
    label: Annotated[Words, Meta(min_length=1, description="What is asked, by language.")]
    kind: Annotated[Literal["text", "email", "choice"], Meta(description="How it is answered.")] = "text"
    required: Annotated[bool, Meta(description="Whether it must be answered.")] = True
    options: Annotated[list[Option], Meta(max_length=20, description="For `choice`.")] = field(default_factory=list)

    def __post_init__(self) -> None:
        if (self.kind == "choice") != bool(self.options):
            raise SettingError("`options` belong to `kind: choice`, which needs at least one", key="options")
        if self.name in RESERVED or self.name.startswith("user"):
            raise SettingError(f"{self.name!r} is a name that the chat itself uses, choose another", key="name")


class RatingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked when a conversation is over."""

    choices: Annotated[Literal[0, 2, 3], Meta(description="0: nothing is asked; 2: good or bad; 3: and so-so.")] = 3
    comment: Annotated[bool, Meta(description="Whether a few words may be added.")] = True


class InviteWhen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a visitor is invited: all that is named must hold."""

    pages: Annotated[Patterns, Meta(description="Paths such as `/checkout*`; one must match.")] = field(
        default_factory=list
    )
    seconds: Annotated[int, Meta(ge=0, le=86_400, description="So long on this page.")] = 0
    referrers: Annotated[Patterns, Meta(description="Where they came from, such as `*.google.*`; one must match.")] = (
        field(default_factory=list)
    )
    campaigns: Annotated[Patterns, Meta(description="`utm_campaign` of their first page; one must match.")] = field(
        default_factory=list
    )
    languages: Annotated[list[str], Meta(description="The chat's language: `en`, `ru`, `pl`.")] = field(
        default_factory=list
    )
    first_visit: Annotated[bool | None, Meta(description="Only who is new, or only who has been here before.")] = None
    event: Annotated[str, Meta(max_length=64, description="After the shop's `Trunkline.track(event)`.")] = ""


class Invitation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A message that the chat shows of its own accord. The first whose rule holds is shown."""

    name: Annotated[Name, Meta(description="Operators see it when the visitor answers, as `invitation`.")]
    when: InviteWhen
    text: Annotated[Words, Meta(min_length=1, description="What it says, by language.")]


class InvitationLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """So that nobody is pestered."""

    per_visit: Annotated[int, Meta(ge=0, le=20, description="At most so many in one visit.")] = 1
    per_week: Annotated[int, Meta(ge=0, le=100, description="At most so many in seven days.")] = 3
    quiet: Annotated[Duration, Meta(description="None for so long after one was refused.")] = Duration.parse("7d")
