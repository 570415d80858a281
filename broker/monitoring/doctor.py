"""``trunkline check --connect``: can the workspace reach its providers, bus, disk and public address?

Nothing has to run for it, and it changes nothing.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from adapters.contract import Adapter, Context, Finding
from adapters.errors import BadCredentials, BadSettings, NotReachable
from adapters.session import Reach, open_session
from broker.bus.api import Fault, call
from broker.bus.connection import Bus
from broker.bus.errors import BusError
from broker.bus.server import WIDEN
from broker.bus.streams import Workspace
from broker.channels.offline import OfflineContext
from broker.channels.program import Program
from broker.channels.secret import LENGTH, workspace_secret
from broker.logs import Scrubber, harmless
from broker.monitoring.storage import ALARM_AT, disk_share, narrow
from broker.place import BusNotStarted, find_bus
from broker.settings.source import Source, channel_problem
from broker.settings.workspace import channel_type, secrets_in
from config import ConfigErrors, Problem

CHANNEL_TIMEOUT = 30.0
QUICKLY = 10.0
BUS_TIMEOUT = 5.0
PUBLIC_TIMEOUT = 10.0
CLOSE_TIMEOUT = 5.0
SKEW = 2.0
"""Seconds that the clocks of two machines may differ."""

LONGEST_SAID = 300
"""Characters of a foreign exception."""

_LOGIN = re.compile(r"//[^\s/@]+@")
_QUERY = re.compile(r"\?[^\s\"'>)]+")
"""Of a URL: who logs in, and its parameters, which hold keys more often than not."""

GENERAL = "general"
LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))


class Report(Struct, frozen=True):
    """What was found about one thing: ``name`` is a channel's, with its type, or `GENERAL`.

    ``problem`` is a setting that is refused: with it the channel must not run.
    """

    name: str
    findings: tuple[Finding, ...]
    problem: Problem | None = None


async def examine(source: Source, data: Path, *, only: Collection[str] = ()) -> list[Report]:
    """Check everything concurrently, or the channels of ``only`` alone."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_session(Reach.ANYWHERE))
        bus, about_bus = await _bus(stack, source, data)
        secret = await _secret(bus, source)
        names = [name for name in source.settings.channels if not only or name in only]
        jobs = [_channel(name, source, http, secret, bus) for name in names]
        if only:
            return list(await asyncio.gather(*jobs))
        general = _general(source, data, http, running=bus is not None)
        first, *channels = await asyncio.gather(general, *jobs)
        found = (about_bus, *_room(bus), *await _clock(bus, source), *first.findings)
        return [Report(GENERAL, found), *channels]


async def refuse_bad_settings(source: Source, only: Collection[str] = ()) -> None:
    """Look whether a channel refuses its settings, before a file is proposed. Whatever else is wrong may pass.

    Raises:
        config.ConfigErrors: every setting that is refused, with its line.
    """
    async with open_session(Reach.ANYWHERE) as http:
        names = [name for name in source.settings.channels if not only or name in only]
        secret = secrets.token_bytes(LENGTH)
        reports = await asyncio.gather(*(_channel(name, source, http, secret, seconds=QUICKLY) for name in names))
    if problems := [report.problem for report in reports if report.problem is not None]:
        raise ConfigErrors(problems)


async def _channel(  # noqa: PLR0913  # what it looks at and with
    name: str,
    source: Source,
    http: aiohttp.ClientSession,
    secret: bytes,
    bus: Bus | None = None,
    *,
    seconds: float = CHANNEL_TIMEOUT,
) -> Report:
    settings = source.settings.channels[name]
    adapter = source.types[channel_type(settings)]
    public_url = source.settings.http.public_url or f"http://{source.settings.http.listen}"
    program = Program(bus, Workspace(source.settings.workspace), name) if bus is not None else None
    context = OfflineContext(name, http, public_url=public_url, secret=secret, program=program)
    title = f"{name} ({adapter.type})"
    try:
        return Report(title, tuple(await diagnose(adapter, settings, context, seconds)))
    except BadSettings as exc:
        problem = channel_problem(source.document, name, exc.key, exc.message)
        return Report(title, (_wrong(str(problem), "correct it in the file"),), problem)


async def diagnose(
    adapter: type[Adapter], settings: Struct, context: Context, seconds: float = CHANNEL_TIMEOUT
) -> Sequence[Finding]:
    """Let a channel look whether it can work. No finding holds a secret, whoever has worded it.

    Raises:
        BadSettings: a setting is wrong; it names the key.
    """
    scrubber = Scrubber()
    scrubber.add(secrets_in(settings))
    channel: Adapter | None = None
    try:
        channel = adapter(settings, context)
        scrubber.add(channel.secrets())
        async with asyncio.timeout(seconds):
            findings = await channel.check() or (Finding(what="there is nothing to look at", ok=True),)
    except BadSettings as exc:
        raise BadSettings(exc.code, _scrubbed(exc.message, scrubber), key=exc.key) from exc
    except Exception as exc:  # noqa: BLE001  # foreign code: whatever it is, the others are looked at
        findings = (_failure(exc, seconds),)
    finally:
        if channel is not None:
            await _close(channel)
    return tuple(
        replace(one, what=_scrubbed(one.what, scrubber), remedy=_scrubbed(one.remedy, scrubber)) for one in findings
    )


def _failure(exc: Exception, seconds: float) -> Finding:
    match exc:
        case BadCredentials():
            return _wrong(exc.message, "mend its credentials: they are refused")
        case NotReachable():
            return _wrong(exc.message, "look at the address, the network and the provider's own state")
        case TimeoutError():
            return _wrong(f"no answer within {seconds:g} s", "look at the address, the network and firewalls")
        case _:
            said = _QUERY.sub("?***", (str(exc).splitlines() or [""])[0])[:LONGEST_SAID]
            return _wrong(f"the check itself failed: {type(exc).__name__}: {said}", "tell whoever wrote the channel")


def _scrubbed(text: str, scrubber: Scrubber) -> str:
    return _LOGIN.sub("//***@", harmless(scrubber.clean(text)))


async def _close(channel: Adapter) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await channel.close()
    except Exception:  # foreign code, and the result of the check stands
        channel.context.log.debug("channel.not_closed", exc_info=True)


# --- the bus ---


async def _bus(stack: AsyncExitStack, source: Source, data: Path) -> tuple[Bus | None, Finding]:
    try:
        settings = find_bus(source.settings, data)
    except BusNotStarted:
        return None, Finding(what="the embedded bus does not run; `trunkline up` starts it", ok=True)
    except OSError as exc:
        return None, _wrong(
            f"the way to the embedded bus cannot be read: {exc}", "give the data folder its right owner"
        )
    remedy = "look whether it runs, and at `nats:` in the file"
    scrubber = Scrubber()
    scrubber.add(secrets_in(source.settings))
    try:
        quick = replace(settings, connect_timeout=BUS_TIMEOUT)
        bus = await Bus.connect(quick, "trunkline-doctor")
    except BusError as exc:
        if source.settings.nats == "embedded":
            return None, Finding(what="the embedded bus does not run; `trunkline up` starts it", ok=True)
        return None, _wrong(_scrubbed(f"no NATS server answers: {exc}", scrubber), remedy)
    stack.push_async_callback(bus.close)
    return bus, Finding(what=_scrubbed(f"NATS answers at {', '.join(settings.servers)}", scrubber), ok=True)


async def _secret(bus: Bus | None, source: Source) -> bytes:
    """Give the workspace's key, so that what a channel derives from it is what the running one has."""
    if bus is not None:
        try:
            return await workspace_secret(bus, Workspace(source.settings.workspace))
        except BusError:  # a workspace that has never been started has no streams yet
            pass
    return secrets.token_bytes(LENGTH)


def _room(bus: Bus | None) -> Iterable[Finding]:
    """Look whether the bus takes the largest messages: a version of the rules, a person with a long history."""
    taken = bus.largest if bus is not None else 0
    if wrong := narrow(taken):
        return (_wrong(wrong, WIDEN),)
    return (Finding(what=f"NATS takes messages of {taken:,} bytes", ok=True),) if taken else ()


class _ServerTime(msgspec.Struct):
    """The part of STREAM.INFO's answer that says what time it is at the server (RFC 3339)."""

    ts: str = ""
    error: Fault | None = None


async def _clock(bus: Bus | None, source: Source) -> Iterable[Finding]:
    if bus is None:
        return ()
    try:
        answer = await call(bus, f"STREAM.INFO.{Workspace(source.settings.workspace).in_stream}", None, _ServerTime)
        ahead = time.time() - datetime.fromisoformat(f"{answer.ts[:19]}+00:00").timestamp()
    except (BusError, ValueError):
        return ()
    if abs(ahead) > SKEW:
        what = f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the bus's"
        return (_wrong(what, "set the clock (chrony, systemd-timesyncd): signatures and tokens depend on it"),)
    return (Finding(what="the clock agrees with the bus's", ok=True),)


# --- this machine ---


async def _general(source: Source, data: Path, http: aiohttp.ClientSession, *, running: bool) -> Report:
    local = _data(data) if source.settings.nats == "embedded" else ()
    return Report(GENERAL, (*local, *await _public(source, http, running=running)))


def _data(data: Path) -> Iterable[Finding]:
    folder = next(path for path in (data.absolute(), *data.absolute().parents) if path.exists())
    if not _writable(folder):
        yield _wrong(f"the data folder {data} cannot be written to", "choose another with --data, or change its owner")
        return
    share = disk_share(folder)
    if share >= ALARM_AT:
        yield _wrong(f"the disk of {data} is {share:.0%} full", "give it a larger disk: a full one takes no messages")
    else:
        yield Finding(what=f"{data} can be written to, its disk is {share:.0%} full", ok=True)


def _writable(folder: Path) -> bool:
    probe = folder / f".trunkline-{secrets.token_hex(4)}"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


async def _public(source: Source, http: aiohttp.ClientSession, *, running: bool) -> Iterable[Finding]:
    address = source.settings.http.public_url
    if not address:
        return (Finding(what="no public_url: channels that are called by a provider cannot work, others can", ok=True),)
    findings = []
    if URL(address).scheme != "https" and URL(address).host not in LOCAL:
        findings.append(_wrong(f"{address} is not https", "providers call https only: put a proxy with TLS in front"))
    health = f"{address}/healthz"
    try:
        timeout = aiohttp.ClientTimeout(PUBLIC_TIMEOUT)
        async with http.get(health, timeout=timeout) as answer:
            ours = answer.ok and (await answer.json(content_type=None)) == {"ok": True}
            said = f"answers with status {answer.status}, not as Trunkline does"
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        ours, said = False, f"cannot be reached from here ({type(exc).__name__})"
    if ours:
        findings.append(Finding(what=f"{address} leads here", ok=True))
    elif running:
        remedy = "look at DNS, at the proxy in front, and whether it passes /channels, /files and /healthz on"
        findings.append(_wrong(f"{health} {said}", remedy))
    else:
        findings.append(Finding(what=f"{health} {said}; nothing runs yet", ok=True))
    return findings


def _wrong(what: str, remedy: str) -> Finding:
    return Finding(what=what, ok=False, remedy=remedy)
