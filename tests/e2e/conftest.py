"""One installation of real processes for all conversations of a module."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.installation import Installation, installed
from tests.e2e.provider import WebhookProvider

PARTS = {"router": ["router"], "site": ["site"], "desk": ["desk"], "hook": ["hook"]}
OPERATORS = ("anna", "ben", "cleo")


@pytest.fixture(scope="module")
def receiver() -> WebhookProvider:
    """The place that the webhook channel posts to; who listens there is each test's own."""
    return WebhookProvider()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, receiver: WebhookProvider) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("e2e")
    with installed(folder, nodes=1, operators=OPERATORS, parts=PARTS, provider=receiver.url) as running:
        yield running


@pytest.fixture
async def provider(receiver: WebhookProvider) -> AsyncIterator[WebhookProvider]:
    async with receiver:
        receiver.deliveries.clear()
        receiver.mood = lambda: "take"
        yield receiver
