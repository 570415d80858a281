"""Installations for the fault tests: a single server, and a cluster of three nodes."""

from collections.abc import Iterator

import pytest

from broker.bus.streams import Workspace
from tests.e2e.installation import WORKSPACE, Installation, installed
from tests.e2e.provider import WebhookProvider
from tests.faults.ledger import Ledger

PARTS = {"router-a": ["router"], "router-b": ["router"], "site": ["site"], "desk": ["desk"]}
OPERATORS = tuple(f"op{n}" for n in range(12))


class Scene:
    """An installation, the ledger that follows it from its first record, and the receiver of its webhook channel."""

    def __init__(self, installation: Installation, receiver: WebhookProvider) -> None:
        self.installation = installation
        self.receiver = receiver
        self.ledger = Ledger(Workspace(WORKSPACE))


def _scene(folder: pytest.TempPathFactory, name: str, nodes: int) -> Iterator[Scene]:
    receiver = WebhookProvider()
    path = folder.mktemp(name)
    with installed(path, nodes=nodes, operators=OPERATORS, parts=PARTS, provider=receiver.url) as running:
        yield Scene(running, receiver)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    yield from _scene(tmp_path_factory, "single", 1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    yield from _scene(tmp_path_factory, "cluster", 3)
