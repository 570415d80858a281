"""What each part of a workspace may do on the bus: the rights of its NATS user.

Reading is not divided: every process folds the whole log. Writing is: only the router's user can write to the log, the
archive, the snapshots and the people, and a channel's user speaks to the inputs under its own name alone. A program
that serves a channel in another language (docs/other-languages.md) gets nothing of JetStream.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from broker.bus.link import inbox_of
from broker.bus.server import quoted
from broker.bus.streams import DEAD_STREAM, Workspace

Kind = Literal["router", "desk", "channel", "program", "keeper"]
"""``keeper`` is who backs up, restores and looks after everything; ``program`` serves one channel from outside."""

API = "$JS.API"


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """Subjects that a user may publish and subscribe to; ``responds``: it may answer what it is asked."""

    user: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    responds: bool = False


def rights_of(workspace: Workspace, kind: Kind, user: str, channels: Sequence[str] = ()) -> Rights:
    """Give the rights of ``user``; ``channels`` are those that a channel process or a program serves."""
    inbox = f"{inbox_of(user)}.>"
    if kind == "keeper":
        everything = (f"{API}.>", "$JS.SNAPSHOT.>", "$KV.>", "tl.>")
        return Rights(user=user, publish=everything, subscribe=(inbox, "tl.>"))
    if kind == "program":
        served = [workspace.send_subject(name) for name in channels]
        return Rights(
            user=user,
            publish=tuple(workspace.in_subject(name) for name in channels),
            subscribe=(inbox, *served, *(f"{subject} *" for subject in served)),
            responds=True,
        )
    publish = [*_reading(workspace), *_common(workspace), *_own(workspace, kind, channels)]
    heard = (f"tl.{workspace.name}.live.>", f"tl.{workspace.name}.ask.>")
    return Rights(user=user, publish=tuple(publish), subscribe=(inbox, *heard), responds=True)


def render(account: str, users: Sequence[Rights]) -> str:
    """Write the account for nats-server, each user's password as a variable of its environment."""
    lines = [f"{account}: {{", "  jetstream: enabled", "  users: ["]
    for rights in users:
        lines += [
            "    {",
            f"      user: {quoted(rights.user)}, password: ${password_name(rights.user)}",
            "      permissions: {",
            f"        publish: [{_words(rights.publish)}]",
            f"        subscribe: [{_words(rights.subscribe)}]",
            *(["        allow_responses: true"] if rights.responds else []),
            "      }",
            "    }",
        ]
    return "\n".join([*lines, "  ]", "}"]) + "\n"


def password_name(user: str) -> str:
    """The variable that holds a user's password."""
    return f"NATS_PASSWORD_{user.upper().replace('-', '_')}"


def _words(subjects: Sequence[str]) -> str:
    return "".join(f"\n          {quoted(subject)}," for subject in subjects) + "\n        "


def _reading(workspace: Workspace) -> Iterator[str]:
    """The requests that reading takes, of every stream."""
    yield f"{API}.STREAM.INFO.*"
    for stream in _streams(workspace):
        yield f"{API}.STREAM.MSG.GET.{stream}"
        yield f"{API}.CONSUMER.CREATE.{stream}.>"
        yield f"{API}.CONSUMER.MSG.NEXT.{stream}.>"
        yield f"{API}.CONSUMER.DELETE.{stream}.>"


def _streams(workspace: Workspace) -> Iterator[str]:
    yield from (workspace.in_stream, workspace.log_stream, workspace.arc_stream, workspace.snap_stream)
    yield from (workspace.media_stream, f"KV_{workspace.people_bucket}", DEAD_STREAM)
    yield from (f"KV_{workspace.claims_bucket}", f"KV_{workspace.leases_bucket}", f"KV_{workspace.sends_bucket}")


def _common(workspace: Workspace) -> Iterator[str]:
    """What every process of ours does: it probes, says how it is, stores files, gives leases and old notes back."""
    name, sends = workspace.name, workspace.sends_bucket
    yield from (workspace.in_subject("_tick"), f"tl.{name}.live.>", f"tl.{name}.ask.>", workspace.dead_subject("*"))
    yield f"tl.{name}.media.*"
    yield from (f"$KV.{sends}.{name}.{key}" for key in ("secret", "files.*", "version.*", "rhythm.*"))
    for stream in (workspace.media_stream, f"KV_{workspace.leases_bucket}", f"KV_{sends}"):
        yield f"{API}.STREAM.PURGE.{stream}"


def _own(workspace: Workspace, kind: Kind, channels: Sequence[str]) -> Iterator[str]:
    """What nobody else may do."""
    name, sends, claims, leases = (
        workspace.name,
        workspace.sends_bucket,
        workspace.claims_bucket,
        workspace.leases_bucket,
    )
    if kind == "router":
        yield from (f"tl.{name}.{part}.>" for part in ("log", "arc", "snap"))
        yield workspace.in_subject("_rules")
        yield from (f"$KV.{workspace.people_bucket}.>", f"$KV.{sends}.{name}.>", f"$KV.{leases}.{name}.router")
        for operation in ("STREAM.CREATE", "STREAM.UPDATE", "STREAM.PURGE", "STREAM.MSG.DELETE"):
            yield from (f"{API}.{operation}.{stream}" for stream in _streams(workspace))
    elif kind == "desk":
        yield workspace.in_subject("_desk")
        yield from (f"$KV.{sends}.{name}.>", f"$KV.{claims}.{name}.desk.>", f"$KV.{leases}.{name}.desk.>")
    for channel in channels:
        yield from (workspace.in_subject(channel), workspace.send_subject(channel))
        yield from (f"$KV.{sends}.{name}.pos.{channel}.*", f"$KV.{sends}.{name}.mem.{channel}.>")
        yield from (f"$KV.{claims}.{name}.{channel}.>", f"$KV.{leases}.{name}.channel.{channel}.>")
