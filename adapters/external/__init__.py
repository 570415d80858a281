"""A channel that a program in any language serves over NATS (docs/other-languages.md)."""

from adapters.external.channel import External

__all__ = ["External"]
