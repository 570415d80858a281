"""The whole file of a workspace: the settings struct of each package composed into one, and checked across them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, cast

from msgspec import Meta, Struct, defstruct, field

from broker.bus.server import Durability
from broker.settings.answers import AnswerSettings, answer_problems
from broker.settings.hours import HoursSettings
from broker.settings.routes import RouteSettings, WhenSettings, in_time, narrower, pattern_fault
from broker.settings.staff import ChannelWork, OperatorSettings, Token, shared_phones
from config import Duration, ListenAddress, Secret, SettingError
from config.problems import nearest
from desk.settings import DeskSettings

PARTS = ("router", "desk", "channels")
"""What ``--only`` names besides a channel."""


class ExternalNats(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A NATS cluster that runs elsewhere."""

    servers: Annotated[
        list[str], Meta(min_length=1, description="Addresses of the servers, such as nats://n1.example:4222.")
    ]
    credentials: Annotated[Path | None, Meta(description="A NATS credentials file (JWT and seed).")] = None
    user: Annotated[str | None, Meta(description="User name, where no credentials file is used.")] = None
    password: Annotated[Secret | None, Meta(description="Password of the user.")] = None
    ca: Annotated[
        Path | None, Meta(description="PEM file of the authority of `tls://` servers; none: those the machine trusts.")
    ] = None
    replicas: Annotated[int, Meta(ge=1, le=5, description="Copies of each stream; 3 survives the loss of a node.")] = 3

    def __post_init__(self) -> None:
        for i, server in enumerate(self.servers):
            if "@" in server:
                raise SettingError(
                    "holds a user or password: write them under `user` and `password`", key=("servers", i)
                )
        if self.credentials is not None and self.user is not None:
            raise SettingError("give either a credentials file or a user, not both", key="user")
        if (self.user is None) != (self.password is None):
            raise SettingError("a user and a password belong together", key="user")


class Http(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Trunkline listens, and how the world sees it."""

    listen: Annotated[ListenAddress, Meta(description="Address and port of the HTTP server.")] = ListenAddress.parse(
        "127.0.0.1:8080"
    )
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/\s]+)?$",
            description="The address that browsers and providers use, without a path; empty: the listen address.",
        ),
    ] = ""
    trusted_proxies: Annotated[
        list[str], Meta(description="Networks (10.0.0.0/8) whose X-Forwarded-For header is believed.")
    ] = field(default_factory=list)
    monitors: Annotated[
        list[str],
        Meta(description="Networks that may read /metrics, and on /readyz the reasons; anybody may see 200 or 503."),
    ] = field(default_factory=lambda: ["127.0.0.0/8", "::1/128"])

    def __post_init__(self) -> None:
        problems = [
            SettingError("is no network such as 10.0.0.0/8", key=(name, i))
            for name in ("trusted_proxies", "monitors")
            for i, network in enumerate(getattr(self, name))
            if not _is_network(network)
        ]
        if problems:
            raise ExceptionGroup("http", problems)

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The trusted networks, parsed."""
        return tuple(ip_network(network) for network in self.trusted_proxies)

    @property
    def watchers(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of the monitoring, parsed."""
        return tuple(ip_network(network) for network in self.monitors)


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


class WaitingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a customer is told who has been waiting for an answer."""

    after: Annotated[Duration, Meta(description="Counted from the customer's unanswered message.")]
    say: Annotated[dict[Token, str], Meta(min_length=1, description="Language to text.")]


class TimesSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times of routing."""

    grace: Annotated[Duration, Meta(description="A vanished operator keeps the conversations for this long.")] = (
        Duration(60_000)
    )
    unanswered: Annotated[
        Duration, Meta(description="A conversation whose operator does not answer goes to somebody else; 0s is never.")
    ] = Duration(300_000)
    reopen: Annotated[
        Duration, Meta(description="Who writes again within this time goes on with the same conversation.")
    ] = Duration(86_400_000)
    transfer: Annotated[Duration, Meta(description="How long a colleague has to accept a transfer.")] = Duration(30_000)
    wrap_up: Annotated[Duration, Meta(description="Capacity stays taken for this long after closing.")] = Duration(0)
    archive: Annotated[Duration, Meta(description="Closed conversations move to the archive after this.")] = Duration(
        2 * 86_400_000
    )

    def __post_init__(self) -> None:
        if self.archive < self.reopen:
            raise SettingError(f"must not be shorter than reopen ({self.reopen})", key="archive")


class AlarmSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When somebody has to look. Most alarms need no setting."""

    expect_every: Annotated[
        dict[Token, Duration],
        Meta(
            description="Channel name to the longest time without a customer's message, day and night; 0s: never an "
            "alarm. Of channels that are not named, the usual silence is learned from the last four weeks."
        ),
    ] = field(default_factory=dict)


class WorkspaceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workspace: everything that Trunkline has to know, in one file or one folder of files."""

    workspace: Annotated[Token, Meta(description="The name of the workspace; part of every stream's name.")]
    channels: Annotated[dict[Token, Any], Meta(min_length=1, description="Channel name to its settings.")]
    operators: Annotated[dict[Token, OperatorSettings], Meta(min_length=1, description="Who answers.")]
    routing: Annotated[list[RouteSettings], Meta(min_length=1, description="Rules; the first that matches wins.")]
    nats: Annotated[
        Literal["embedded"] | ExternalNats, Meta(description="`embedded`, or the servers of a cluster.")
    ] = "embedded"
    durability: Annotated[
        Durability, Meta(description="`power`: accepted messages survive a power cut; `process`: a killed process.")
    ] = Durability.POWER
    http: Annotated[Http, Meta(description="The HTTP server.")] = Http()
    languages: Annotated[list[Token], Meta(min_length=1, description="Spoken here; the first is the fallback.")] = (
        field(default_factory=lambda: ["en"])
    )
    capacity: Annotated[dict[Token, ChannelWork], Meta(description="Channel name to what its work costs.")] = field(
        default_factory=dict
    )
    hours: Annotated[
        dict[Token, HoursSettings],
        Meta(description="Name to opening hours; those named `default` are of all rules that name none."),
    ] = field(default_factory=dict)
    waiting: Annotated[
        list[WaitingSettings],
        Meta(description="Holding phrases, in order of time: said while nobody has answered, whoever has it."),
    ] = field(default_factory=list)
    times: Annotated[TimesSettings, Meta(description="Times of routing.")] = TimesSettings()
    answers: Annotated[
        list[AnswerSettings], Meta(max_length=1_000, description="Canned answers for everybody at the desk.")
    ] = field(default_factory=list)
    results: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=100)]],
        Meta(description="What a conversation can be closed with; none: any words, or none."),
    ] = field(default_factory=list)
    desk: Annotated[DeskSettings, Meta(description="The operators' desk.")] = DeskSettings()
    alarms: Annotated[AlarmSettings, Meta(description="When somebody has to look.")] = AlarmSettings()
    replay_days: Annotated[int, Meta(ge=1, le=365, description="Inputs are kept for this many days.")] = 14

    def __post_init__(self) -> None:
        problems = [problem for check in self.ACROSS for problem in check(self)]
        if problems:
            raise ExceptionGroup("workspace", problems)

    def _costs_of_strangers(self) -> Iterable[SettingError]:
        return [self._no_channel(name, "capacity", name) for name in self.capacity if name not in self.channels]

    def _silence_of_strangers(self) -> Iterable[SettingError]:
        named = self.alarms.expect_every
        return [self._no_channel(name, "alarms", "expect_every", name) for name in named if name not in self.channels]

    def _reserved_names(self) -> Iterable[SettingError]:
        return [
            SettingError(f'"{name}" is a part of Trunkline: give the channel another name', key=("channels", name))
            for name in PARTS
            if name in self.channels
        ]

    def _rules_of_strangers(self) -> Iterable[SettingError]:
        return [
            self._no_channel(name, "routing", i)
            for i, route in enumerate(self.routing)
            for name in route.when.channels
            if name not in self.channels
        ]

    def _no_channel(self, name: str, *key: str | int) -> SettingError:
        return SettingError(f'there is no channel "{name}"; {nearest(name, list(self.channels))}', key=key)

    def _needs_of_strangers(self) -> Iterable[SettingError]:
        return [
            SettingError(f'there is no operator "{name}"; {nearest(name, list(self.operators))}', key=("routing", i))
            for i, route in enumerate(self.routing)
            for need in (route.need, *route.relax)
            for name in need.operators
            if name not in self.operators
        ]

    def _steps_and_patterns(self) -> Iterable[SettingError]:
        problems = [
            SettingError(f'"{pattern}" is no RE2 pattern: {reason}', key=("routing", i, "when", "text", j))
            for i, route in enumerate(self.routing)
            for j, pattern in enumerate(route.when.text)
            if (reason := pattern_fault(pattern))
        ]
        problems += [
            SettingError(
                f"must be wider than what holds before: {fault}; a step never asks for more",
                key=("routing", i, "relax", j),
            )
            for i, route in enumerate(self.routing)
            for before, (j, after) in in_time(route)
            if (fault := narrower(before, after))
        ]
        if self.routing[-1].when != WhenSettings():
            last = len(self.routing) - 1
            problems.append(
                SettingError(
                    "the last rule must match everything: remove its `when`, or add a rule without one",
                    key=("routing", last),
                )
            )
        return problems

    def _double_names(self) -> Iterable[SettingError]:
        names = [route.name for route in self.routing]
        return [
            SettingError(
                f'another rule is named "{name}" as well: decisions are told by it', key=("routing", i, "name")
            )
            for i, name in enumerate(names)
            if name in names[:i]
        ]

    def _levels_of_strangers(self) -> Iterable[SettingError]:
        names = [route.name for route in self.routing]
        return [
            SettingError(
                f'there is no rule "{name}"; {nearest(name, names)}', key=("desk", "service_levels", "rules", name)
            )
            for name in self.desk.service_levels.rules
            if name not in names
        ]

    def _unknown_hours(self) -> Iterable[SettingError]:
        known = list(self.hours)
        problems = [
            SettingError(
                f'there are no hours "{route.hours}"; {nearest(route.hours, known)}', key=("routing", i, "hours")
            )
            for i, route in enumerate(self.routing)
            if route.hours is not None and route.hours not in self.hours
        ]
        return problems + [
            SettingError("the rule has no hours: name some, or write hours named default", key=("routing", i, "when"))
            for i, route in enumerate(self.routing)
            if route.when.hours is not None and route.hours is None and "default" not in self.hours
        ]

    def _limits_of_strangers(self) -> Iterable[SettingError]:
        kinds = sorted({"units", *(channel_type(channel) for channel in self.channels.values())})
        return [
            SettingError(
                f'"{kind}" is no kind of channel here; {nearest(kind, kinds)} known: {", ".join(kinds)}',
                key=("operators", name, "capacity", kind),
            )
            for name, operator in self.operators.items()
            for kind in operator.capacity
            if kind not in kinds
        ]

    ACROSS: ClassVar[tuple[Callable[["WorkspaceSettings"], Iterable[SettingError]], ...]] = (
        _costs_of_strangers,
        _silence_of_strangers,
        _reserved_names,
        _rules_of_strangers,
        _needs_of_strangers,
        _steps_and_patterns,
        _double_names,
        _levels_of_strangers,
        _unknown_hours,
        _limits_of_strangers,
        lambda self: shared_phones(self.operators),
        lambda self: answer_problems(self.answers),
    )
    """Checks across parts. Where a part cannot be read, those that need it are left out and all others made."""


def secrets_in(settings: object) -> Iterator[str]:
    """Give every secret of some settings: what must appear in no log."""
    match settings:
        case Secret():
            yield settings.reveal()
        case Struct():
            for name in settings.__struct_fields__:
                yield from secrets_in(getattr(settings, name))
        case dict():
            for value in settings.values():
                yield from secrets_in(value)
        case list() | tuple():
            for value in settings:
                yield from secrets_in(value)
        case _:
            return


def channel_type(settings: Struct) -> str:
    """Name the adapter of a channel's settings: the tag of its struct."""
    return cast("str", settings.__struct_config__.tag)


def settings_type(channels: Mapping[str, type[Struct]]) -> type[WorkspaceSettings]:
    """Compose the type of the whole file from the settings structs of the channels that are installed."""
    one_of_them: Any = Union[tuple(channels.values())]  # noqa: UP007 - built from a tuple at run time
    entry: Any = Annotated[
        dict[Token, one_of_them], Meta(min_length=1, description="Channel name to its settings, by `type`.")
    ]
    return cast(
        "type[WorkspaceSettings]",
        defstruct(
            "Workspace",
            [("channels", entry)],
            bases=(WorkspaceSettings,),
            module=__name__,
            frozen=True,
            kw_only=True,
            forbid_unknown_fields=True,
        ),
    )
