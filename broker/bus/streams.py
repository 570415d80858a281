"""Names of streams, subjects and buckets, and their creation and verification."""

import asyncio
import re

import msgspec

from broker.bus.api import NO_STREAM, StreamInfo, call
from broker.bus.connection import Bus
from broker.bus.errors import ApiError, NoAnswer, RestoreUnfinished, StreamMismatch

DEAD_STREAM = "TL_DEAD"
CLAIMS_BUCKET = "TL_claims"
LEASES_BUCKET = "TL_leases"
SENDS_BUCKET = "TL_sends"

SECOND = 1_000_000_000  # JetStream's durations are in nanoseconds
DUPLICATE_WINDOW = 120 * SECOND
CLAIMS_AGE = 7 * 24 * 3600 * SECOND
RESTORING = "trunkline-restoring"
"""In the metadata of the inputs' stream while a workspace is being restored: it must not be worked on."""

START_PATIENCE = 30.0  # seconds that a cluster may take to elect its first leaders
CREATE_PATIENCE = 5.0  # seconds for one stream; three nodes have to agree on it
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")


def token(text: str) -> str:
    """`text` as one token of a subject; raises ValueError for anything but A-Z a-z 0-9 _ -."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{text!r} cannot stand in a subject: use letters A-Z a-z, digits, '_' and '-' only")
    return text


def token_or_any(text: str) -> str:
    """Like `token`, but "*" stands for any one token."""
    return text if text == "*" else token(text)


class Workspace:
    """Every name that belongs to one workspace. Tokens are ids of ours, never provider text; else ValueError."""

    def __init__(self, name: str) -> None:
        self.name = token(name)
        self.in_stream = f"TL_{name}_IN"
        self.log_stream = f"TL_{name}_LOG"
        self.arc_stream = f"TL_{name}_ARC"
        self.snap_stream = f"TL_{name}_SNAP"
        self.media_stream = f"TL_{name}_MEDIA"
        self.people_bucket = f"TL_{name}_people"
        self.claims_bucket = CLAIMS_BUCKET
        self.leases_bucket = LEASES_BUCKET
        self.sends_bucket = SENDS_BUCKET
        self.term_subject = f"tl.{name}.log._.term"
        self.skip_subject = f"tl.{name}.log._.skip"

    def in_subject(self, source: str) -> str:
        """`tl.<w>.in.<source>`."""
        return f"tl.{self.name}.in.{token_or_any(source)}"

    def log_subject(self, line: str) -> str:
        """`tl.<w>.log.<line>.f`: a record that sends nothing."""
        return f"tl.{self.name}.log.{token_or_any(line)}.f"

    def out_subject(self, line: str, channel: str) -> str:
        """`tl.<w>.log.<line>.out.<channel>`; `line` may be "*" to read all of a channel."""
        return f"tl.{self.name}.log.{token_or_any(line)}.out.{token_or_any(channel)}"

    def line_subjects(self, line: str) -> str:
        """`tl.<w>.log.<line>.>`: everything of a line."""
        return f"tl.{self.name}.log.{token_or_any(line)}.>"

    def send_subject(self, channel: str) -> str:
        """`tl.<w>.send.<channel>`: what a program that serves a channel is asked."""
        return f"tl.{self.name}.send.{token(channel)}"

    def live_subject(self, conversation: str) -> str:
        """`tl.<w>.live.<conversation>`."""
        return f"tl.{self.name}.live.{token_or_any(conversation)}"

    def ask_subject(self, name: str) -> str:
        """`tl.<w>.ask.<name>`."""
        return f"tl.{self.name}.ask.{token(name)}"

    def arc_subject(self, person: str, conversation: str) -> str:
        """`tl.<w>.arc.<person>.<conversation>`; either may be "*"."""
        return f"tl.{self.name}.arc.{token_or_any(person)}.{token_or_any(conversation)}"

    def snap_subject(self, snapshot: str) -> str:
        """`tl.<w>.snap.<snapshot>`."""
        return f"tl.{self.name}.snap.{token_or_any(snapshot)}"

    def media_subject(self, name: str) -> str:
        """`tl.<w>.media.<name>`."""
        return f"tl.{self.name}.media.{token(name)}"

    def dead_subject(self, reason: str) -> str:
        """`tl.dead.<w>.<reason>`; no workspace may be named "dead", so it meets no other subject."""
        return f"tl.dead.{self.name}.{token_or_any(reason)}"


class StreamTimes(msgspec.Struct, frozen=True):
    """When each stream was created (RFC 3339 as the server writes it): half of every position."""

    in_stream: str
    log_stream: str
    arc_stream: str
    snap_stream: str
    media_stream: str


class StreamConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a stream that matter to us, in JetStream's words.

    `discard: new` and no limits: a full disk refuses the publish, so that whoever has the message keeps it (P1).
    """

    name: str
    subjects: tuple[str, ...]
    num_replicas: int
    retention: str = "limits"
    storage: str = "file"
    discard: str = "new"
    max_msgs: int = -1
    max_bytes: int = -1
    max_msg_size: int = -1
    max_age: int = 0
    max_msgs_per_subject: int = -1
    duplicate_window: int = DUPLICATE_WINDOW
    allow_atomic: bool = False
    allow_direct: bool = False
    allow_rollup_hdrs: bool = False
    deny_delete: bool = False
    deny_purge: bool = False
    sealed: bool = False


# A found value may be larger than ours: changing it upwards loses nothing, so a smaller one is raised.
GROWING = ("num_replicas", "duplicate_window", "allow_atomic", "allow_rollup_hdrs")


def bucket_config(name: str, replicas: int, *, max_age: int = 0) -> StreamConfig:
    """A key-value bucket as NATS lays it out (ADR-8), without direct get: any replica would answer, and it may lag."""
    return StreamConfig(
        name=f"KV_{name}",
        subjects=(f"$KV.{name}.>",),
        num_replicas=replicas,
        max_age=max_age,
        max_msgs_per_subject=1,
        allow_rollup_hdrs=True,
    )


async def ensure_streams(bus: Bus, workspace: Workspace) -> StreamTimes:
    """Create or verify everything of a workspace; a position is (creation time, sequence).

    Raises:
        StreamMismatch: something exists with a setting that would break a promise; nothing of it is changed.
        RestoreUnfinished: the workspace is being restored, or that was broken off.
    """
    if workspace.name == "dead":
        raise ValueError("a workspace cannot be named 'dead': that name belongs to the dead letters")
    replicas, prefix = bus.settings.replicas, f"tl.{workspace.name}"
    own = [
        StreamConfig(name=workspace.in_stream, subjects=(f"{prefix}.in.>",), num_replicas=replicas),
        StreamConfig(
            name=workspace.log_stream, subjects=(f"{prefix}.log.>",), num_replicas=replicas, allow_atomic=True
        ),
        StreamConfig(
            name=workspace.arc_stream, subjects=(f"{prefix}.arc.>",), num_replicas=replicas, max_msgs_per_subject=1
        ),
        StreamConfig(name=workspace.snap_stream, subjects=(f"{prefix}.snap.>",), num_replicas=replicas),
        StreamConfig(name=workspace.media_stream, subjects=(f"{prefix}.media.>",), num_replicas=replicas),
    ]
    times = [await ensure_stream(bus, config) for config in own]
    await ensure_stream(bus, bucket_config(workspace.people_bucket, replicas))
    await ensure_shared(bus)
    return StreamTimes(*times)


async def ensure_shared(bus: Bus) -> None:
    """Create or verify what all workspaces share; raises like `ensure_streams`."""
    replicas = bus.settings.replicas
    for config in (
        bucket_config(CLAIMS_BUCKET, replicas, max_age=CLAIMS_AGE),
        bucket_config(LEASES_BUCKET, replicas),
        bucket_config(SENDS_BUCKET, replicas),
        StreamConfig(name=DEAD_STREAM, subjects=("tl.dead.>",), num_replicas=replicas),
    ):
        await ensure_stream(bus, config)


async def ensure_stream(bus: Bus, config: StreamConfig) -> str:
    """Create or verify one stream; returns its creation time. Who may not create it waits for somebody who may."""
    info = await _found_or_created(bus, config)
    if is_restoring(info.config):
        raise RestoreUnfinished(
            f"stream {config.name} is being restored, or its restore was broken off:"
            " wait, or run `trunkline restore` again"
        )
    if grown := _grown(config, info.config):
        await call(bus, f"STREAM.UPDATE.{config.name}", grown, StreamInfo, seconds=START_PATIENCE)
    return info.created


async def _found_or_created(bus: Bus, config: StreamConfig) -> StreamInfo:
    """A request that a user has no right to is not answered, as one whose answer was lost."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + START_PATIENCE
    while True:
        try:
            return await call(bus, f"STREAM.INFO.{config.name}", None, StreamInfo, seconds=START_PATIENCE)
        except ApiError as error:
            if error.code != NO_STREAM:
                raise
        try:
            return await call(bus, f"STREAM.CREATE.{config.name}", config, StreamInfo, seconds=CREATE_PATIENCE)
        except NoAnswer:
            if clock() > deadline:
                raise


def is_restoring(config: dict[str, object]) -> bool:
    """Whether a stream's settings say that its workspace is not whole yet."""
    metadata = config.get("metadata")
    return isinstance(metadata, dict) and RESTORING in metadata


def _grown(wanted: StreamConfig, found: dict[str, object]) -> dict[str, object] | None:
    """The found settings with what may safely grow; None when nothing has to."""
    changes: dict[str, object] = {}
    for setting, expected in msgspec.to_builtins(wanted).items():
        value = found.get(setting, False)
        if setting == "subjects":
            if missing := [subject for subject in expected if subject not in _words(value)]:
                changes[setting] = [*_words(value), *missing]
        elif setting in GROWING and isinstance(value, int):
            if value < expected:
                changes[setting] = expected
        elif value != expected:
            mend = f"Mend it with `nats stream edit {wanted.name}`, or use another workspace name."
            raise StreamMismatch(wanted.name, setting, value, expected, mend)
    return {**found, **changes} if changes else None


def _words(value: object) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else []
