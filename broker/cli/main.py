"""The command ``trunkline``."""

import typer

from adapters.registry import RegistryError
from broker.bus.errors import BusError
from broker.cli import apply, backup, channels, dead, fake, files, look, nats_users, new_adapter, passwords, run
from broker.cli.terminal import fail
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
    """Run a command; what a person can mend is said in a sentence, without a traceback."""
    try:
        app()
    except ConfigErrors as exc:
        fail(str(exc))
    except (BusNotStarted, BusError, RegistryError, OSError) as exc:
        fail(f"{type(exc).__name__}: {exc}")


if __name__ == "__main__":
    main()
