"""``trunkline channels`` and ``trunkline channel forget``: which kinds there are, and letting go of a removed one."""

from typing import Annotated

import typer

from adapters.registry import origins
from broker.bus.reader import Reader, stream_state
from broker.channels.worker import outbounds
from broker.cli.session import Session, connected, folded, run_session
from broker.cli.terminal import DEFAULT_CONFIG, ConfigPath, DataPath, fail, say
from broker.place import DEFAULT_DATA
from broker.routing.positions import Positions

app = typer.Typer(help="One channel.", no_args_is_help=True)


@app.callback()
def channel() -> None:
    """Keep `forget` a word of its own although it is the only one."""


Name = Annotated[str, typer.Argument(help="The channel's name, as it stood in the file.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def channels() -> None:
    """List the channel types that are installed, where they come from, and what they lack."""
    for origin in sorted(origins(), key=lambda origin: origin.type):
        say(f"{origin.type:<14} {origin.source}")
        if origin.fault:
            say(f"{'':<14} NOT USABLE: {origin.fault}")


@app.command()
def forget(
    name: Name,
    file: ConfigPath = DEFAULT_CONFIG,
    data: DataPath = DEFAULT_DATA,
    yes: Yes = False,  # noqa: FBT002 - typer's way to say a flag
) -> None:
    """Stop waiting for a removed channel: what it has not sent is given up, so that the log can be trimmed."""

    async def job() -> None:
        async with connected(file, data) as session, folded(session) as follower:
            if name in follower.state.rules.channels:
                fail(f"{name} is configured: remove it from the file and `trunkline apply` first")
            created = (await stream_state(session.bus, session.workspace.log_stream)).created
            positions = Positions(session.bus, session.workspace, created)
            waiting = {place: at for place, at in (await positions.all()).items() if place.rpartition(".")[0] == name}
            if not waiting:
                fail(f"nothing waits for a channel {name}")
            unsent = await _unsent(session, name, min(waiting.values()))
            say(f"{unsent} messages to customers on {name} were not sent, and never will be.")
            if not yes and not typer.confirm("Forget the channel?"):
                fail("nothing was changed")
            for place in waiting:
                await positions.forget(place)
            say(f"{name} is forgotten.")

    run_session(job())


async def _unsent(session: Session, name: str, position: int) -> int:
    """Count what stands in the log behind the channel's position."""
    count = 0
    subject = session.workspace.out_subject("*", name)
    async with Reader(session.bus, session.workspace.log_stream, start_seq=position + 1, subjects=[subject]) as reader:
        async for batch in reader.read_all():
            count += sum(len(outbounds(stored.payload)) for stored in batch)
    return count
