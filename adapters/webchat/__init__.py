"""The web chat channel: visitors of a website over WebSockets; its wire protocol is docs/webchat-protocol.md."""

from adapters.webchat.adapter import WebChat

__all__ = ["WebChat"]
