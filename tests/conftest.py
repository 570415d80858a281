"""Fixtures that more than one package's tests use, and the order in which files are handed to the workers."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures.nats", "tests.fixtures.sockets"]

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

LONGEST = ("faults", "e2e", "examples", "browser", "deploy")
"""Folders of tests that take long; begun last, one of them would run alone at the end while the other core idles."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first; the order within each half stays as it was shuffled."""
    items.sort(key=lambda item: not set(LONGEST) & set(Path(item.location[0]).parts))
