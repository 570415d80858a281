"""The command ``trunkline``."""

from importlib.metadata import version
from typing import Annotated

import typer

from adapters.registry import DISTRIBUTION, RegistryError
from broker.bus.errors import BusError
from broker.cli import apply, backup, channels, dead, fake, files, look, nats_users, new_adapter, passwords, run
from broker.cli.terminal import fail, say
from broker.place import BusNotStarted
from config import ConfigErrors

app = typer.Typer(
    name="trunkline",
    help="Omnichannel message-routing broker: one conversation per customer, whatever the channel.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        say(f"trunkline {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def trunkline(
    _asked: Annotated[  # noqa: FBT002 - typer's way to say a flag
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which release this is.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


app.command("up")(run.up)
app.command("demo")(run.demo)
app.command("check")(files.check)
app.command("apply")(apply.apply)
app.command("rollback")(apply.rollback)
app.command("versions")(apply.versions)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("channels")(channels.channels)
app.command("schema")(files.schema)
app.command("status")(look.status)
app.command("tail")(look.tail)
app.command("explain")(look.explain)
app.command("fake")(fake.fake)
app.command("new-adapter")(new_adapter.new_adapter)
app.command("nats-users")(nats_users.nats_users)
app.command("hash-password")(passwords.hash_password)
app.add_typer(channels.app, name="channel")
app.add_typer(dead.app, name="dead")


def main() -> None:
    """Run a command; errors that the user can mend are printed as a sentence, without a traceback."""
    try:
        app()
    except ConfigErrors as exc:
        fail(str(exc))
    except (BusNotStarted, BusError, RegistryError, OSError) as exc:
        fail(_sentence(exc))


def _sentence(exc: Exception) -> str:
    """Give the message of an error of the system or the bus."""
    if isinstance(exc, OSError) and exc.strerror:
        return f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror
    return str(exc)


if __name__ == "__main__":
    main()
