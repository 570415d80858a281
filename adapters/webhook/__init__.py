"""A generic channel over signed HTTP requests, for systems of one's own; its wire protocol is docs/webhook.md."""

from adapters.webhook.channel import Webhook

__all__ = ["Webhook"]
