"""Fixtures that more than one package's tests use."""

pytest_plugins = ["tests.fixtures.nats", "tests.fixtures.sockets"]
