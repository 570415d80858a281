"""Any other telephone system, over signed webhooks (docs/phone.md)."""

from adapters.sip.pbx.source import AnyPbx

__all__ = ["AnyPbx"]
