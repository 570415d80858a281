"""Which channels there are: the built-in ones by name, and those of other packages by entry point."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, metadata

from msgspec import Struct

from adapters.contract import Adapter

DISTRIBUTION = "trunkline"
ENTRY_POINTS = "trunkline.adapters"

BUILT_IN: Mapping[str, str] = {
    "email": "adapters.email:Email",
    "external": "adapters.external:External",
    "twilio": "adapters.twilio:Twilio",
    "telegram": "adapters.telegram:Telegram",
    "sip": "adapters.sip:Sip",
    "webchat": "adapters.webchat:WebChat",
    "webhook": "adapters.webhook:Webhook",
}
"""``type`` in the YAML to ``module:class``; a channel's libraries are imported when it is asked for, not before."""


class RegistryError(Exception):
    """A channel cannot be had: what is wrong, and the remedy."""

    def __init__(self, found: str, remedy: str = "") -> None:
        super().__init__(f"{found}; {remedy}" if remedy else found)
        self.found = found
        self.remedy = remedy


class MissingLibrary(RegistryError):
    """The libraries that a built-in channel needs are not installed."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a channel type comes from, and what it lacks; an empty ``fault`` means that it loads."""

    type: str
    source: str
    fault: str = ""


def adapter_names(
    built_in: Mapping[str, str] = BUILT_IN, plugins: Iterable[EntryPoint] | None = None
) -> tuple[str, ...]:
    """Name every channel type there is, without importing any.

    Raises:
        RegistryError: two packages bring the same name.
    """
    return tuple(_points(built_in, plugins))


def adapter_types(
    names: Iterable[str] | None = None,
    *,
    built_in: Mapping[str, str] = BUILT_IN,
    plugins: Iterable[EntryPoint] | None = None,
) -> dict[str, type[Adapter]]:
    """Load the channels of these types; of every type that loads when none are named.

    Raises:
        RegistryError: two packages bring the same name, or one that is named does not load.
    """
    points = _points(built_in, plugins)
    if names is not None:
        return {name: _load(_named(name, points)) for name in names}
    return {name: found for name, point in points.items() if (found := _loaded(point)) is not None}


def adapter_type(
    name: str, built_in: Mapping[str, str] = BUILT_IN, plugins: Iterable[EntryPoint] | None = None
) -> type[Adapter]:
    """Load one channel by its ``type``.

    Raises:
        RegistryError: there is none of that name, two packages bring it, or it does not load.
    """
    return _load(_named(name, _points(built_in, plugins)))


def origins(built_in: Mapping[str, str] = BUILT_IN, plugins: Iterable[EntryPoint] | None = None) -> Sequence[Origin]:
    """Say of every channel type where it comes from and whether it loads."""
    found = []
    for name, point in _points(built_in, plugins).items():
        fault = ""
        try:
            _load(point)
        except RegistryError as exc:
            fault = str(exc)
        found.append(Origin(type=name, source=_origin(point), fault=fault))
    return found


def settings_types(types: Mapping[str, type[Adapter]]) -> dict[str, type[Struct]]:
    """Give the settings struct of each channel, for the loader of the configuration."""
    return {name: adapter.Settings for name, adapter in types.items()}


def _points(built_in: Mapping[str, str], plugins: Iterable[EntryPoint] | None) -> dict[str, EntryPoint]:
    points = {name: EntryPoint(name, value, ENTRY_POINTS) for name, value in built_in.items()}
    for point in entry_points(group=ENTRY_POINTS) if plugins is None else plugins:
        known = points.get(point.name)
        if known is not None and known.value != point.value:
            raise RegistryError(
                f'the channel type "{point.name}" is brought twice: by {_origin(known)} and by {_origin(point)}',
                "uninstall one of them",
            )
        points[point.name] = point
    return points


def _named(name: str, points: Mapping[str, EntryPoint]) -> EntryPoint:
    if name not in points:
        raise RegistryError(
            f'there is no channel type "{name}"; installed: {", ".join(sorted(points))}',
            "install the package that brings it, or correct `type`",
        )
    return points[name]


def _loaded(point: EntryPoint) -> type[Adapter] | None:
    """Load a channel that nobody has asked for: one without its libraries is as good as not there."""
    try:
        return _load(point)
    except MissingLibrary:
        return None


def _load(point: EntryPoint) -> type[Adapter]:
    try:
        found: object = getattr(import_module(point.module), point.attr)
    except Exception as exc:
        if isinstance(exc, ModuleNotFoundError) and point.name in _extras(point):
            raise MissingLibrary(
                f'the channel type "{point.name}" needs libraries that are not installed ({exc})',
                f"pip install '{DISTRIBUTION}[{point.name}]'",
            ) from exc
        raise RegistryError(
            f'the channel type "{point.name}" does not load from {_origin(point)}: {type(exc).__name__}: {exc}',
            "update or uninstall that package",
        ) from exc
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise RegistryError(f'the channel type "{point.name}" of {_origin(point)} is not a class made from Adapter')
    if fault := _fault(point.name, found):
        raise RegistryError(f'the channel type "{point.name}" of {_origin(point)} {fault}')
    return found


def _extras(point: EntryPoint) -> Sequence[str]:
    """Give the names under which pip installs the libraries of our own channels."""
    if point.dist is not None:
        return ()
    try:
        return metadata(DISTRIBUTION).get_all("Provides-Extra") or ()
    except PackageNotFoundError:
        return ()


def _fault(name: str, adapter: type[Adapter]) -> str:
    missing = [word for word in ("type", "Settings", "capabilities") if not hasattr(adapter, word)]
    if missing:
        return f"does not declare {', '.join(missing)}"
    if adapter.type != name:
        return f'calls itself "{adapter.type}": the name of the entry point and `type` must be the same'
    if adapter.Settings.__struct_config__.tag != name:
        return f'has settings of another tag: declare its struct with tag="{name}", tag_field="type"'
    return ""


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} ({point.value})" if point.dist else f"Trunkline ({point.value})"
