"""Asterisk as a source: its REST interface (ARI), with the dialplan giving calls to Stasis."""

from adapters.sip.asterisk.source import Asterisk

__all__ = ["Asterisk"]
