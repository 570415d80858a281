"""``trunkline status``, ``tail`` and ``explain``: what holds now, what happens, and why."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from broker.bus.reader import Reader, Stored, stream_state
from broker.cli.lines import describe_input, describe_record
from broker.cli.session import Session, connected, folded, run_session
from broker.cli.terminal import DEFAULT_CONFIG, ConfigPath, DataPath, fail, say
from broker.monitoring.alarms import merged
from broker.monitoring.nodes import Beat, call_roll
from broker.place import DEFAULT_DATA
from router.explain import explain as explain_records
from router.people import Conversation
from router.state import State

SHOWN = 50
"""The most conversations that are listed."""


def status(file: ConfigPath = DEFAULT_CONFIG, data: DataPath = DEFAULT_DATA) -> None:
    """Say what is wrong, who waits, who is online, what runs, and how much lies in the streams."""

    async def job() -> None:
        async with connected(file, data) as session, folded(session) as follower:
            beats = await call_roll(session.bus, session.workspace)
            for line in (*_alarm_lines(beats), *_status_lines(follower.state), *_node_lines(beats)):
                say(line)
            for name in (session.workspace.in_stream, session.workspace.log_stream):
                kept = await stream_state(session.bus, name)
                say(f"stream     {name}: {kept.messages} messages, {kept.bytes / 1e6:.1f} MB, last {kept.last}")

    run_session(job())


def tail(file: ConfigPath = DEFAULT_CONFIG, data: DataPath = DEFAULT_DATA) -> None:
    """Follow inputs and records from now on, one readable line each, without the text of any message."""

    async def job() -> None:
        async with connected(file, data) as session, asyncio.TaskGroup() as tasks:
            tasks.create_task(_follow(session, session.workspace.in_stream, describe_input))
            tasks.create_task(_follow(session, session.workspace.log_stream, describe_record))

    run_session(job(), endless=True)


def explain(
    conversation: Annotated[str, typer.Argument(help="The conversation, such as c42.")],
    file: ConfigPath = DEFAULT_CONFIG,
    data: DataPath = DEFAULT_DATA,
) -> None:
    """Say why a conversation went where it went, decision by decision."""

    async def job() -> list[str]:
        async with connected(file, data) as session, folded(session) as follower:
            known = follower.state.conversations.get(conversation)
            records = await follower.history(conversation, known.person if known is not None else "")
            return explain_records([record for _, record in records])

    lines = run_session(job())
    if not lines:
        fail(
            f"there is no conversation {conversation} in this workspace; `trunkline status {file}` lists the open ones"
        )
    for line in lines:
        say(line)


def _alarm_lines(beats: list[Beat]) -> list[str]:
    if not beats:
        return ["ALARM      no process serves channels or the desk: `trunkline up` starts them"]
    lines = []
    for alarm in merged(beat.alarms for beat in beats):
        since = datetime.fromtimestamp(alarm.since / 1_000, tz=UTC).isoformat(timespec="minutes")
        lines.append(f"ALARM      {alarm.text} ({alarm.name}, since {since})\n           {alarm.remedy}")
    return lines


def _node_lines(beats: list[Beat]) -> list[str]:
    lines = []
    for beat in beats:
        runs = ", ".join(beat.parts) or "everything"
        version = f", works by version {beat.version}" if beat.follows else ""
        lines.append(f"process    {beat.host} {beat.pid}: runs {runs}{version}")
        for status in beat.channels.values():
            reason = f": {status.reason}" if status.reason else ""
            lines.append(f"  channel  {status.channel} ({status.type}): {status.state}{reason}")
    return lines


def _status_lines(state: State) -> list[str]:
    lines = [f"rules      version {state.version}, {state.rules_hash[:12]}"]
    lines += [f"todo       {what} {which}" for what, which in state.todo]
    for operator in state.operators.values():
        rule = state.rules.operators.get(operator.id)
        units = rule.units if rule is not None else 0
        shown = operator.state if operator.nodes or operator.state == "offline" else f"{operator.state}, gone"
        lines.append(f"operator   {operator.id}: {shown}, load {operator.load} of {units}, {len(operator.held)} held")
    if not any(operator.nodes for operator in state.operators.values()):
        lines.append("operator   nobody is signed in")
    still_open = [c for c in state.conversations.values() if c.status != "closed"]
    lines.append(f"open       {len(still_open)} conversations")
    waiting = sorted((c for c in still_open if c.status == "waiting"), key=lambda c: (c.tier, c.v, c.seq))
    lines += [_waiting_line(state, conversation) for conversation in waiting[:SHOWN]]
    held = [c for c in still_open if c.status != "waiting"]
    lines += [f"{c.status:<10} {c.id}: {_holder(c)}, on {c.channel}, {c.n} entries" for c in held[:SHOWN]]
    return lines


def _waiting_line(state: State, conversation: Conversation) -> str:
    waited = max(0, state.now - conversation.enqueued_at) / 1000
    return f"waiting    {conversation.id}: {waited:.0f} s, rule {conversation.rule!r}, step {conversation.step}"


def _holder(conversation: Conversation) -> str:
    return conversation.owner or ", ".join(offer.operator for offer in conversation.offers) or "nobody"


async def _follow(session: Session, stream: str, describe: Callable[[Stored], str]) -> None:
    last = (await stream_state(session.bus, stream)).last
    async with Reader(session.bus, stream, start_seq=last + 1) as reader:
        async for batch in reader.batches():
            for stored in batch:
                if line := describe(stored):
                    say(line)
