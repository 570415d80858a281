"""``trunkline apply``, ``rollback`` and ``versions``: a changed file, looked at, agreed to and put in force live."""

import asyncio
import getpass
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from broker.bus.errors import BusError
from broker.channels.secret import workspace_secret
from broker.cli.session import Session, connected, folded, run_session
from broker.cli.terminal import DEFAULT_CONFIG, ConfigPath, DataPath, fail, say
from broker.monitoring.doctor import examine
from broker.monitoring.nodes import Beat, call_roll
from broker.place import DEFAULT_DATA
from broker.routing.follower import Follower
from broker.settings.difference import Change, difference, sections
from broker.settings.source import Source
from broker.versions import VersionMissing, Versions
from config import ConfigErrors
from router.facts import InputRefused, RulesTaken
from router.record import Record

DECIDE_TIMEOUT = 15.0
FOLLOW_TIMEOUT = 15.0
PREVIOUS = "previous"

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the difference and change nothing.")]
Number = Annotated[
    str, typer.Argument(metavar="VERSION", help="A number that `versions` shows; `previous` is the one before.")
]


class _Desk(Struct, frozen=True):
    """What the commands work with."""

    session: Session
    follower: Follower
    versions: Versions
    data: Path


def apply(
    file: ConfigPath = DEFAULT_CONFIG,
    data: DataPath = DEFAULT_DATA,
    dry_run: DryRun = False,  # noqa: FBT002 - typer's way to say a flag
    yes: Yes = False,  # noqa: FBT002 - likewise
) -> None:
    """Put a changed file in force in everything that runs, without dropping a connection that it does not concern."""

    async def job() -> None:
        async with _open(file, data) as desk:
            await _put(desk, desk.session.source, f"apply by {_who()}", dry_run=dry_run, yes=yes)

    run_session(job())


def rollback(
    version: Number = PREVIOUS,
    file: ConfigPath = DEFAULT_CONFIG,
    data: DataPath = DEFAULT_DATA,
    dry_run: DryRun = False,  # noqa: FBT002 - typer's way to say a flag
    yes: Yes = False,  # noqa: FBT002 - likewise
) -> None:
    """Put an earlier version in force again; it gets a new number. The file stays as it is."""

    async def job() -> None:
        async with _open(file, data) as desk:
            number, source = await _earlier(desk, version)
            by = f"rollback to {number} by {_who()}"
            await _put(desk, source, by, dry_run=dry_run, yes=yes)
            if not dry_run and desk.session.source.document.digest != source.document.digest:
                say(f"{file} still holds what was in force before: correct it before the next apply.")

    run_session(job())


def versions(file: ConfigPath = DEFAULT_CONFIG, data: DataPath = DEFAULT_DATA) -> None:
    """List the versions that can be gone back to."""

    async def job() -> None:
        async with _open(file, data) as desk:
            state = desk.follower.state
            for version in await desk.versions.all():
                at = datetime.fromtimestamp(version.at / 1_000, tz=UTC).isoformat(timespec="seconds")
                mark = "  in force" if version.number == state.version else ""
                say(f"{version.number:>6}  {at}  {version.hash[:12]}  {version.by}{mark}")

    run_session(job())


@asynccontextmanager
async def _open(file: ConfigPath, data: DataPath) -> AsyncIterator[_Desk]:
    async with connected(file, data) as session, folded(session) as follower:
        secret = await workspace_secret(session.bus, session.workspace)
        yield _Desk(session, follower, Versions(session.bus, session.workspace, secret), data)


async def _earlier(desk: _Desk, wanted: str) -> tuple[int, Source]:
    state, known = desk.follower.state, await desk.versions.all()
    if wanted == PREVIOUS:
        found = next((v for v in reversed(known) if v.number < state.version and v.hash != state.rules_hash), None)
    else:
        found = next((v for v in known if str(v.number) == wanted), None)
    if found is None:
        which = "earlier version that differs from the one in force" if wanted == PREVIOUS else f"version {wanted}"
        fail(f"there is no {which}: `trunkline versions` lists those that there are")
    try:
        source = await desk.versions.load(found.hash, desk.session.source.document.folder, os.environ)
    except (VersionMissing, ConfigErrors) as exc:
        fail(f"version {found.number} cannot be read: {exc}")
    return found.number, source


async def _put(desk: _Desk, source: Source, by: str, *, dry_run: bool, yes: bool) -> None:
    """Show, ask, propose, and wait until it is decided and followed."""
    state = desk.follower.state
    version = state.version
    if desk.versions.proposal(source, by).hash == state.rules_hash:
        say(f"Version {version} is in force, and it is the same: nothing to do.")
        return
    changed = await _show(desk, source)
    refused = await _look_at_channels(source, desk.data, changed)
    if dry_run:
        return
    if refused:
        fail("nothing was changed")
    if not yes and not _agreed():
        fail("nothing was changed")
    if desk.follower.state.version != version:
        fail("somebody else has changed the version in force meanwhile: look at the difference again")
    number = await _decided(desk, source, by)
    say(f"Version {number} is in force.")
    await _followed(desk, number)


async def _show(desk: _Desk, source: Source) -> list[str]:
    """Show the difference; gives the channels that are new or changed."""
    state = desk.follower.state
    everything = list(source.settings.channels)
    if not state.rules_hash:
        say("Nothing is in force yet.")
        return everything
    try:
        present = await desk.versions.load(state.rules_hash, desk.session.source.document.folder, os.environ)
    except (VersionMissing, ConfigErrors) as exc:
        say(f"Version {state.version} is in force and cannot be compared: {exc}")
        return everything
    changes = difference(present, source)
    for line in sections(changes):
        say(line)
    for warning in _warnings(desk, changes, source):
        say(warning)
    before = present.settings.channels
    return [name for name, settings in source.settings.channels.items() if before.get(name) != settings]


async def _look_at_channels(source: Source, data: Path, names: list[str]) -> bool:
    """Say what is wrong with channels that are new or changed; whether one refuses its settings."""
    if not names:
        return False
    reports = await examine(source, data, only=names)
    for report in reports:
        for finding in report.findings:
            if not finding.ok:
                say(f"{report.name}: {finding.what}\n  -> {finding.remedy}")
    return any(report.problem is not None for report in reports)


def _warnings(desk: _Desk, changes: list[Change], source: Source) -> list[str]:
    gone = {name for name in desk.follower.state.rules.channels if name not in source.settings.channels}
    state = desk.follower.state
    lines = []
    for name in sorted(gone):
        still = sum(c.status != "closed" and c.channel == name for c in state.conversations.values())
        lines.append(f"Removing {name}: {still} conversations on it are open; nothing more is received or sent there.")
    if any(change.static for change in changes):
        lines.append("What is said to wait for a start is kept, and taken up when the processes are started again.")
    return lines


def _agreed() -> bool:
    if not sys.stdin.isatty():
        fail("nothing was changed: nobody can be asked here; say --yes")
    return typer.confirm("Put this in force?")


async def _decided(desk: _Desk, source: Source, by: str) -> int:
    """Propose, and give the number that the log gives to it."""
    decided: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    name = desk.versions.proposal(source, by).hash
    proposed = 0

    def record(_seq: int, _subject: str, record: Record) -> None:
        for fact in record.facts:
            if decided.done():
                return
            if isinstance(fact, RulesTaken) and fact.hash == name:
                decided.set_result(fact.version)
            elif isinstance(fact, InputRefused) and record.input == proposed:
                decided.set_exception(Refusal(fact.error))

    unsubscribe = desk.follower.subscribe(record)
    try:
        proposed = await desk.versions.propose(source, by)
        async with asyncio.timeout(DECIDE_TIMEOUT):
            return await decided
    except TimeoutError:
        fail("it is proposed, and no router has decided yet: it takes effect as soon as one runs (`trunkline status`)")
    except Refusal as exc:
        fail(f"the router has refused it ({exc}); nothing was changed")
    except BusError as exc:
        fail(f"not known whether it is proposed ({exc}): look with `trunkline versions`")
    finally:
        unsubscribe()


class Refusal(Exception):
    """The router cannot work with the rules."""


async def _followed(desk: _Desk, number: int) -> None:
    """Wait until every process works by a version, and name those that do not."""
    loop = asyncio.get_running_loop()
    end = loop.time() + FOLLOW_TIMEOUT
    while True:
        called = await call_roll(desk.session.bus, desk.session.workspace)
        beats = [beat for beat in called if beat.follows]
        behind = [beat for beat in beats if beat.version < number]
        if not behind or loop.time() > end:
            break
    say(f"{len(beats) - len(behind)} of {len(beats)} processes work by it.")
    for beat in behind:
        say(f"  not {_process(beat)}")
    if behind:
        fail("`trunkline status` says more")


def _process(beat: Beat) -> str:
    why = next((alarm.text for alarm in beat.alarms if alarm.name == "version_unreadable"), "no reason is known")
    return f"{beat.host} {beat.pid}: {why}"


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
