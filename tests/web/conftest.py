"""Fixtures of the web package's tests."""

from tests.fixtures.site import clock, serve

__all__ = ["clock", "serve"]
