"""An IRC channel for Trunkline."""

from trunkline_irc.channel import IrcChannel

__all__ = ["IrcChannel"]
