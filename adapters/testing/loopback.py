"""No traffic outside this machine: a test in which anything connects elsewhere, by whatever library, fails."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

LOCAL_NAMES = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost"})
_watchers: list[list[str]] = []
_hooked: list[bool] = []


@contextmanager
def loopback_only() -> Iterator[list[str]]:
    """Refuse sockets and names that lead elsewhere, in the whole process; gives the list of what was tried.

    Python tells of each connection and name before it is used (PEP 578); a refused one raises PermissionError.
    """
    if not _hooked:
        sys.addaudithook(_look)  # there is no way to remove one
        _hooked.append(True)
    tried: list[str] = []
    _watchers.append(tried)
    try:
        yield tried
    finally:
        _watchers.remove(tried)


def _look(event: str, args: tuple[object, ...]) -> None:
    if not _watchers or not event.startswith("socket."):
        return
    place = _place(event, args)
    if place is None or _is_local(place):
        return
    for tried in _watchers:
        tried.append(place)
    raise PermissionError(f"the test kit refuses to connect to {place}: only this machine may be reached")


def _place(event: str, args: tuple[object, ...]) -> str | None:
    """Name the host that an event leads to; None when it leads nowhere."""
    match event, args:
        case (("socket.connect" | "socket.sendto" | "socket.sendmsg"), (socket.socket(), (str(host), *_))):
            return host
        case "socket.getaddrinfo", (str(host), *_):
            return host
        case (("socket.gethostbyname" | "socket.gethostbyaddr"), (str(host), *_)):
            return host
        case _:
            return None


def _is_local(host: str) -> bool:
    if host in LOCAL_NAMES:
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
