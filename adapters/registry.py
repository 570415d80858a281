"""Which channels there are: the built-in ones by name, and those of other packages by entry point."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from msgspec import Struct

from adapters.contract import Adapter

ENTRY_POINTS = "trunkline.adapters"

BUILT_IN: Mapping[str, str] = {
    "webchat": "adapters.webchat:WebChat",
    "webhook": "adapters.webhook:Webhook",
}
"""``type`` in the YAML to ``module:class``; a channel's libraries are imported when it is asked for, not before."""


class RegistryError(Exception):
    """A channel cannot be had; the message says which, why, and how to mend it."""


def adapter_types(
    built_in: Mapping[str, str] = BUILT_IN, plugins: Iterable[EntryPoint] | None = None
) -> dict[str, type[Adapter]]:
    """Load every channel that is installed, by its ``type``.

    Raises:
        RegistryError: two packages bring the same name, or one does not load.
    """
    points = _points(built_in, entry_points(group=ENTRY_POINTS) if plugins is None else plugins)
    return {name: _load(point) for name, point in points.items()}


def adapter_type(
    name: str, built_in: Mapping[str, str] = BUILT_IN, plugins: Iterable[EntryPoint] | None = None
) -> type[Adapter]:
    """Load one channel by its ``type``.

    Raises:
        RegistryError: there is none of that name, two packages bring it, or it does not load.
    """
    points = _points(built_in, entry_points(group=ENTRY_POINTS) if plugins is None else plugins)
    if name not in points:
        raise RegistryError(
            f'there is no channel type "{name}"; installed: {", ".join(sorted(points))}. '
            "Install the package that brings it, or correct `type`"
        )
    return _load(points[name])


def settings_types(types: Mapping[str, type[Adapter]]) -> dict[str, type[Struct]]:
    """Give the settings struct of each channel, for the loader of the configuration."""
    return {name: adapter.Settings for name, adapter in types.items()}


def _points(built_in: Mapping[str, str], plugins: Iterable[EntryPoint]) -> dict[str, EntryPoint]:
    points = {name: EntryPoint(name, value, ENTRY_POINTS) for name, value in built_in.items()}
    for point in plugins:
        known = points.get(point.name)
        if known is not None and known.value != point.value:
            raise RegistryError(
                f'the channel type "{point.name}" is brought twice: by {_origin(known)} and by {_origin(point)}. '
                "Uninstall one of them"
            )
        points[point.name] = point
    return points


def _load(point: EntryPoint) -> type[Adapter]:
    try:
        found: object = getattr(import_module(point.module), point.attr)
    except Exception as exc:
        raise RegistryError(
            f'the channel type "{point.name}" does not load from {_origin(point)}: {type(exc).__name__}: {exc}. '
            "Update or uninstall that package; a missing module may need its extra installed"
        ) from exc
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise RegistryError(f'the channel type "{point.name}" of {_origin(point)} is not a class made from Adapter')
    if fault := _fault(point.name, found):
        raise RegistryError(f'the channel type "{point.name}" of {_origin(point)} {fault}')
    return found


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
