"""Addresses of systems of one's own, as they stand in settings."""

from ipaddress import ip_address

from yarl import URL


def url_fault(text: str) -> str:
    """Say what is wrong with a URL that an operations person has written; empty: nothing. ``{id}`` may stand in it."""
    try:
        url = URL(text.replace("{id}", "id"))
    except ValueError as exc:
        return f"is not a URL: {exc}"
    if url.scheme not in ("http", "https") or not url.host:
        return "must begin with https:// and name a host"
    if url.user or url.password:
        return "must hold no user or password: URLs end up in logs"
    if url.scheme == "http" and not _is_loopback(url.host):
        return "must begin with https:// (http only to this machine, such as http://127.0.0.1:9000)"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
