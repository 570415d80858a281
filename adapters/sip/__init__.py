"""Phone calls: what a telephone system says of them, and the wishes it carries out; see docs/phone.md."""

from adapters.sip.adapter import Sip

__all__ = ["Sip"]
