"""What can be set of a web chat."""

from typing import Annotated

from msgspec import Meta, Struct, field

from config import Duration, SettingError, Size
from web.origins import normalise_origin

LONGEST_SESSION = Duration.parse("366d")
SHORTEST_SESSION = Duration.parse("1h")
LARGEST_FILE = Size.parse("100MB")
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


class Texts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the chat says in one language; what is left out is said in its built-in words."""

    title: Annotated[str, Meta(max_length=80, description="The heading of the chat.")] = ""
    greeting: Annotated[str, Meta(max_length=500, description="What stands in an empty chat.")] = ""


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
        if found := [problem for problem in problems if problem]:
            raise ExceptionGroup("webchat", found)


def _fault(place: int, origin: str) -> SettingError | None:
    try:
        normalise_origin(origin)
    except ValueError as exc:
        return SettingError(str(exc), key=("origins", place))
    return None
