"""What can be set of a web chat."""

from typing import Annotated

from msgspec import Meta, Struct, field

from adapters.webchat.face import Invitation, InvitationLimits, Question, RatingSettings, Texts, Theme, Variant
from config import Duration, Secret, SettingError, Size
from web.origins import normalise_origin

LONGEST_SESSION = Duration.parse("366d")
SHORTEST_SESSION = Duration.parse("1h")
LARGEST_FILE = Size.parse("100MB")
SHORTEST_IDENTITY = Duration.parse("1m")
LONGEST_IDENTITY = Duration.parse("24h")
LEAST_SECRET = 32
FILE_TYPES = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "audio/*",
    "video/mp4",
    "video/webm",
    "application/pdf",
    "application/zip",
    "application/vnd.openxmlformats-officedocument.*",
    "text/plain",
)

Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class IdentifySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the shop's server vouches for visitors who are signed in there: docs/webchat.md."""

    secrets: Annotated[
        list[Secret],
        Meta(
            min_length=1,
            max_length=4,
            description="Keys of the tokens; the shop signs with one, several while it changes.",
        ),
    ]
    life: Annotated[Duration, Meta(description="So long after it was made a token is good, 1m to 24h.")] = (
        Duration.parse("1h")
    )

    def __post_init__(self) -> None:
        if not SHORTEST_IDENTITY <= self.life <= LONGEST_IDENTITY:
            raise SettingError(f"must be {SHORTEST_IDENTITY} to {LONGEST_IDENTITY}", key="life")
        if any(len(secret.reveal()) < LEAST_SECRET for secret in self.secrets):
            raise SettingError(f"a key has at least {LEAST_SECRET} characters: openssl rand -hex 32", key="secrets")


class FileSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which files visitors may send."""

    max_size: Annotated[Size, Meta(description="The largest file; 100MB at most.")] = Size(10_000_000)
    types: Annotated[
        list[str],
        Meta(description="Media types, as their content shows them; `image/*` allows a family. None: no files."),
    ] = field(default_factory=lambda: list(FILE_TYPES))


class VisitorLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one visitor, or one network address, may ask of us."""

    messages_per_minute: Annotated[Count, Meta(description="Messages of one visitor; a third of it at once.")] = 60
    files_per_minute: Annotated[Count, Meta(description="Files of one visitor.")] = 20
    file_bytes_per_hour: Annotated[
        Size, Meta(description="Files from one network address in an hour, all together; an office shares one.")
    ] = Size(1_000_000_000)
    sockets_per_visitor: Annotated[Count, Meta(description="Tabs of one visitor that are connected at a time.")] = 10
    sockets_per_ip: Annotated[
        Count, Meta(description="Connections from one network address; an office behind one needs many.")
    ] = 300
    sessions_per_minute: Annotated[Count, Meta(description="New visitors from one network address.")] = 60


class WebChatSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="webchat", tag_field="type"):
    """A chat on websites of one's own."""

    origins: Annotated[
        list[str],
        Meta(
            min_length=1,
            description="The websites that may show the chat: `https://shop.example`, each with scheme, host and port.",
        ),
    ]
    texts: Annotated[
        dict[str, Texts], Meta(description="The shop's own words, by language (`en`, `pl`); the first is the fallback.")
    ] = field(default_factory=dict)
    theme: Theme = Theme()
    variants: Annotated[
        list[Variant], Meta(max_length=50, description="Other looks and words for some pages; the first that fits.")
    ] = field(default_factory=list)
    questions: Annotated[
        list[Question], Meta(max_length=8, description="Asked before a conversation begins, with the first message.")
    ] = field(default_factory=list)
    offline_form: Annotated[
        bool, Meta(description="While nobody is signed in, ask for an e-mail address with the first message.")
    ] = True
    rating: RatingSettings = RatingSettings()
    invitations: Annotated[
        list[Invitation], Meta(max_length=50, description="What the chat says of its own accord, and when.")
    ] = field(default_factory=list)
    invitation_limits: InvitationLimits = InvitationLimits()
    identify: Annotated[
        IdentifySettings | None,
        Meta(description="For visitors who are signed in to the shop; none: all are strangers."),
    ] = None
    preview: Annotated[
        bool, Meta(description="Show operators what a visitor types before it is sent; the visitor is told.")
    ] = False
    session: Annotated[Duration, Meta(description="How long a visitor is known without coming back; 1h to 366d.")] = (
        Duration.parse("30d")
    )
    files: FileSettings = FileSettings()
    limits: VisitorLimits = VisitorLimits()
    demo: Annotated[bool, Meta(description="Serve a small shop page with the chat, to look at.")] = False

    def __post_init__(self) -> None:
        problems = [_fault(place, origin) for place, origin in enumerate(self.origins)]
        if not SHORTEST_SESSION <= self.session <= LONGEST_SESSION:
            problems.append(SettingError(f"must be {SHORTEST_SESSION} to {LONGEST_SESSION}", key="session"))
        if not 0 < self.files.max_size <= LARGEST_FILE:
            problems.append(SettingError(f"must be above 0B and at most {LARGEST_FILE}", key=("files", "max_size")))
        if self.limits.file_bytes_per_hour < self.files.max_size:
            message = f"must not be less than one file may have ({self.files.max_size})"
            problems.append(SettingError(message, key=("limits", "file_bytes_per_hour")))
        for key, named in (("questions", self.questions), ("invitations", self.invitations)):
            names = [each.name for each in named]
            problems += [
                SettingError(f"{name!r} is there twice", key=key) for name in {*names} if names.count(name) > 1
            ]
        if found := [problem for problem in problems if problem]:
            raise ExceptionGroup("webchat", found)


def _fault(place: int, origin: str) -> SettingError | None:
    try:
        normalise_origin(origin)
    except ValueError as exc:
        return SettingError(str(exc), key=("origins", place))
    return None
