"""The phone channel: a telephone system reports calls and carries out orders ("wishes"); see docs/phone.md."""

from adapters.sip.adapter import Sip

__all__ = ["Sip"]
