"""``trunkline dead``: what could not be decoded, decided or sent, and taking it up again."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from broker.bus.dead import DeadLetter, DeadLetters
from broker.cli.session import connected, run_session
from broker.cli.terminal import DEFAULT_CONFIG, ConfigPath, DataPath, fail, say
from broker.place import DEFAULT_DATA

app = typer.Typer(help="Dead letters: list them, look at one, take one in again.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(min=1, help="The number that `dead list` shows.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]


@app.command("list")
def list_(file: ConfigPath = DEFAULT_CONFIG, data: DataPath = DEFAULT_DATA, limit: Limit = 100) -> None:
    """List the oldest dead letters of the workspace."""

    async def job() -> list[DeadLetter]:
        async with connected(file, data) as session:
            return await DeadLetters(session.bus).list(session.workspace, limit=limit)

    letters = run_session(job())
    for letter in letters:
        say(f"{letter.seq:>6}  {_time(letter)}  {letter.reason:<16} {letter.source}  {letter.detail}")
    if not letters:
        say("no dead letters")


@app.command()
def show(number: Number, file: ConfigPath = DEFAULT_CONFIG, data: DataPath = DEFAULT_DATA) -> None:
    """Show a dead letter whole, its content included."""

    async def job() -> DeadLetter | None:
        async with connected(file, data) as session:
            return await DeadLetters(session.bus).show(number)

    letter = run_session(job())
    if letter is None:
        fail(f"there is no dead letter {number}")
    say(f"number  {letter.seq}\ntime    {_time(letter)}\nreason  {letter.reason}\nsource  {letter.source}")
    say(f"detail  {letter.detail}\n\n{letter.payload.decode(errors='replace')}")


@app.command()
def replay(number: Number, file: ConfigPath = DEFAULT_CONFIG, data: DataPath = DEFAULT_DATA) -> None:
    """Take a dead letter in again, after the cause has been mended; it leaves the dead letters."""

    async def job() -> int | None:
        async with connected(file, data) as session:
            try:
                return await DeadLetters(session.bus).replay(number)
            except (LookupError, ValueError) as exc:
                fail(str(exc))

    say(f"dead letter {number} is input {run_session(job())} now")


def _time(letter: DeadLetter) -> str:
    return datetime.fromtimestamp(letter.time_ns / 1e9, tz=UTC).isoformat(timespec="seconds")
