"""Our own addresses and their plus forms (RFC 5233): ``support+anything@shop.example`` is ``support@shop.example``."""

from adapters.email.wire import Ours

MAX_LOCAL = 64
"""Octets before the @ (RFC 5321 section 4.5.3.1.1)."""


def without_tag(address: str) -> str:
    """Give an address without what stands behind a plus."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def with_tag(address: str, tag: str) -> str:
    """Give an address with a tag, or as it is where it would become too long for some server."""
    local, _, domain = address.rpartition("@")
    tagged = f"{local}+{tag}"
    return f"{tagged}@{domain}" if len(tagged.encode()) <= MAX_LOCAL else address


def is_ours(address: str, ours: Ours) -> bool:
    """Whether a normalised address is one of ours, with a tag or without."""
    return address in ours.mailboxes or without_tag(address) in ours.mailboxes


def our_mailbox(addresses: tuple[str, ...], ours: Ours) -> str:
    """Give the first of our mailboxes that a mail was sent to, or nothing (a blind copy)."""
    plain = (box for address in addresses for box in (address, without_tag(address)))
    return next((box for box in plain if box in ours.mailboxes), "")
