"""``trunkline nats-users``: the account of a workspace for the configuration of nats-server."""

import os
from collections.abc import Iterator

from broker.bus.rights import Rights, render, rights_of
from broker.bus.streams import Workspace
from broker.cli.terminal import DEFAULT_CONFIG, ConfigPath, say
from broker.settings.source import read_source
from broker.settings.workspace import WorkspaceSettings, channel_type

EXTERNAL = "external"
"""The type of a channel that a program serves over the bus; the program gets a user of its own."""

HEAD = """\
# Who may do what on the bus; written by `trunkline nats-users`. Include it in the configuration of every node.
# Passwords are variables of nats-server's environment; bcrypt hashes of them (`nats server passwd`) do as well.
"""


def nats_users(file: ConfigPath = DEFAULT_CONFIG) -> None:
    """Print the account of the workspace: a user for the router, the desk, each channel, and for backups."""
    settings = read_source(file, os.environ).settings
    account = f"TRUNKLINE_{settings.workspace.upper()}"
    text = render(account, list(users_of(settings)))
    say(f"{HEAD}accounts: {{\n{_indented(text)}  SYS: {{}}\n}}\nsystem_account: SYS")


def users_of(settings: WorkspaceSettings) -> Iterator[Rights]:
    """Give everybody's rights; a user is named after the workspace and the part."""
    workspace = Workspace(settings.workspace)

    def user(part: str) -> str:
        return f"{workspace.name}-{part}"

    yield rights_of(workspace, "router", user("router"))
    yield rights_of(workspace, "desk", user("desk"))
    for name, channel in settings.channels.items():
        yield rights_of(workspace, "channel", user(name), [name])
        if channel_type(channel) == EXTERNAL:
            yield rights_of(workspace, "program", user(f"{name}-program"), [name])
    yield rights_of(workspace, "keeper", user("keeper"))


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
