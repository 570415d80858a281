"""The file of a workspace, read with the channels that stand in it: no other channel's code is imported."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, defstruct

from adapters.contract import Adapter
from adapters.registry import BUILT_IN, RegistryError, adapter_names, adapter_types
from broker.settings.workspace import WorkspaceSettings, settings_type
from config import ConfigErrors, Document, Problem, SettingError, decode, read


class Source(Struct, frozen=True):
    """What a file says, what it was read from, and the adapters that it needs, by ``type``."""

    settings: WorkspaceSettings
    document: Document
    types: Mapping[str, type[Adapter]]


def read_source(path: Path, env: Mapping[str, str]) -> Source:
    """Read and check a file or folder.

    Raises:
        config.ConfigErrors: every mistake at once.
    """
    return decode_source(read(path), env)


def decode_source(document: Document, env: Mapping[str, str], built_in: Mapping[str, str] = BUILT_IN) -> Source:
    """Check what was read. Raises config.ConfigErrors."""
    chosen = document.choices("channels", "type", env)
    installed = adapter_names(built_in)
    types: dict[str, type[Adapter]] = {}
    missing: dict[str, RegistryError] = {}
    for name in sorted(set(chosen.values()).intersection(installed)):
        try:
            types.update(adapter_types([name], built_in=built_in))
        except RegistryError as exc:
            missing[name] = exc
    structs = {name: types[name].Settings if name in types else _stand_in(name) for name in installed}
    problems = [
        document.problem(("channels", channel, "type"), missing[name].found, remedy=missing[name].remedy)
        for channel, name in chosen.items()
        if name in missing
    ]
    about = tuple(f"channels.{channel}." for channel, name in chosen.items() if name in missing)
    try:
        loaded = decode(document, settings_type(structs), env=env)
    except ConfigErrors as exc:
        others = (problem for problem in exc.problems if not f"{problem.key}.".startswith(about))
        raise ConfigErrors([*problems, *others], partial=exc.partial) from exc
    if problems:
        raise ConfigErrors(problems)
    return Source(loaded.value, loaded.document, types)


def channel_problem(document: Document, channel: str, key: str, found: str) -> Problem:
    """Say what is wrong with a channel's setting, in the file and line where it stands."""
    return document.problem(("channels", channel, *SettingError(found, key=key).key), found)


def _stand_in(name: str) -> type[Struct]:
    """A type that no channel of the file has, or whose libraries are missing: only its name is known."""
    return defstruct("StandIn", [], module=__name__, frozen=True, tag=name, tag_field="type")
