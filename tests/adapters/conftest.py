"""Fixtures of the channels' tests."""

import pytest

from broker.bus.server import free_port


@pytest.fixture
def unused_tcp_port() -> int:
    """Nobody listens there, and the kernel gives it to nobody meanwhile."""
    return free_port()
