"""WhatsApp and SMS through Twilio; docs/twilio.md says how to connect it."""

from adapters.twilio.channel import Twilio

__all__ = ["Twilio"]
