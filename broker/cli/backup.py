"""``trunkline backup`` and ``trunkline restore``: a workspace as a folder, and back."""

import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from broker.backup.folder import BadBackup, Manifest, Source
from broker.backup.rehearse import rehearse
from broker.backup.restore import NotEmpty, Restored
from broker.backup.restore import restore as bring_back
from broker.backup.save import back_up
from broker.bus.connection import Bus
from broker.bus.server import EmbeddedServer
from broker.bus.settings import BusSettings
from broker.bus.streams import Workspace
from broker.cli.session import connected, run_session
from broker.cli.terminal import DEFAULT_CONFIG, ConfigPath, DataPath, fail, say
from broker.logs import Scrubber, configure_logs
from broker.place import DEFAULT_DATA, find_bus, prepare_data
from broker.routing.follower import CannotFold
from broker.settings.source import Source as FileSource
from broker.settings.source import read_source
from broker.settings.workspace import channel_type, secrets_in

TELL_EVERY = 2.0
"""Seconds between two lines about the same part."""

MEGABYTE = 1_000_000

TargetPath = Annotated[Path, typer.Argument(metavar="TARGET", help="A folder that does not exist yet.")]
SourcePath = Annotated[Path, typer.Argument(metavar="SOURCE", help="The folder of a backup.")]
Verify = Annotated[bool, typer.Option("--verify", help="Write nothing: read the backup in TARGET and compare hashes.")]
Rehearse = Annotated[
    bool,
    typer.Option("--rehearse", help="Bring it back into a bus of its own, beside everything, and read its log."),
]


def backup(
    target: TargetPath,
    file: ConfigPath = DEFAULT_CONFIG,
    data: DataPath = DEFAULT_DATA,
    verify: Verify = False,  # noqa: FBT002 - typer's way to say a flag
) -> None:
    """Copy the whole workspace into a new folder, while it runs. Keep it as safe as the bus: all secrets are in it."""
    if verify:
        _verify(target)
        return

    async def job() -> Manifest:
        async with connected(file, data) as session:
            return await back_up(
                session.bus, session.workspace, target, release=version("trunkline"), tell=_Progress().tell
            )

    manifest = run_session(job())
    say(f"{target}: workspace {manifest.workspace} up to log position {manifest.log}, {_size(manifest.bytes)}")
    if manifest.undecided:
        say(f"No router is at work: {manifest.undecided} inputs are in it that are not decided yet.")


def restore(
    source: SourcePath,
    file: ConfigPath = DEFAULT_CONFIG,
    data: DataPath = DEFAULT_DATA,
    rehearsal: Rehearse = False,  # noqa: FBT002 - typer's way to say a flag
) -> None:
    """Bring a backup back where there is no such workspace; nothing of it may run meanwhile."""
    scrubber = Scrubber()
    configure_logs(scrubber, level="warning")
    settings_file = read_source(file, os.environ)
    scrubber.add(secrets_in(settings_file.settings))
    try:
        found = Source(source)
        if rehearsal:
            _rehearse(found, settings_file)
            return
        restored = run_session(_restore(found, settings_file, data))
    except (BadBackup, NotEmpty, CannotFold) as exc:
        fail(str(exc))
    say(f"restored up to log position {restored.log}; start Trunkline now")
    if restored.doubtful:
        say(f"{restored.doubtful} answers were on their way: they are not sent again, and shown as unknown")


async def _restore(source: Source, file: FileSource, data: Path) -> Restored:
    async with _own_bus(file, data) as settings:
        bus = await Bus.connect(settings, name="trunkline-restore")
        try:
            workspace = Workspace(file.settings.workspace)
            return await bring_back(bus, workspace, source, unclaimed=_unclaimed(file), tell=_Progress().tell)
        finally:
            await bus.close()


@asynccontextmanager
async def _own_bus(file: FileSource, data: Path) -> AsyncIterator[BusSettings]:
    """Give the way to the cluster, or start the embedded server, which nothing else may have started."""
    if file.settings.nats != "embedded":
        yield find_bus(file.settings, data)
        return
    server = EmbeddedServer(prepare_data(data) / "nats", durability=file.settings.durability)
    await server.start()
    try:
        yield BusSettings(servers=(server.url,), credentials=server.credentials)
    finally:
        await server.stop()


def _rehearse(source: Source, file: FileSource) -> None:
    with tempfile.TemporaryDirectory(dir=source.path.absolute().parent, prefix=".rehearsal-") as folder:
        counted = run_session(rehearse(source, Path(folder), unclaimed=_unclaimed(file), tell=_Progress().tell))
    what = ", ".join(f"{number} {status}" for status, number in sorted(counted.items())) or "none"
    say(f"{source.path} can be brought back. Conversations in memory: {what}")


def _verify(target: Path) -> None:
    progress = _Progress()
    try:
        source = Source(target)
        for part in source.verify():
            progress.tell(f"{part.file} is whole", part.bytes, part.bytes)
    except BadBackup as exc:
        fail(str(exc))
    manifest = source.manifest
    say(f"{target} is whole: workspace {manifest.workspace}, log position {manifest.log}, {_size(manifest.bytes)}")


def _unclaimed(file: FileSource) -> set[str]:
    """Name the channels that need no claims to send: their pages show the log itself."""
    channels = file.settings.channels
    return {name for name, settings in channels.items() if file.types[channel_type(settings)].delivery == "lines"}


class _Progress:
    """One line when a part begins, and every two seconds while it goes on."""

    def __init__(self) -> None:
        self._last = ""
        self._at = 0.0

    def tell(self, part: str, done: int, whole: int) -> None:
        now = time.monotonic()
        if part != self._last or now - self._at > TELL_EVERY:
            self._last, self._at = part, now
            say(f"  {part:<32} {_size(done):>12}{f' of at most {_size(whole)}' if done < whole else ''}")


def _size(number: int) -> str:
    return f"{number / MEGABYTE:,.1f} MB"
