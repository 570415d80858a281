"""HTTP clients for adapters: to anywhere, to public addresses only, or to this machine only.

The address is checked when the socket is made, after names were resolved and after every redirect, so neither a
number in the URL nor a name that changes its mind leads inside.
"""

import errno
import socket
from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import aiohttp

USER_AGENT = "Trunkline"
TOTAL_TIMEOUT = 60.0
CONNECT_TIMEOUT = 10.0

AddrInfo = tuple[Any, Any, int, str, tuple[Any, ...]]
"""As ``socket.getaddrinfo`` gives it."""


class Reach(StrEnum):
    """Where a session may connect to."""

    ANYWHERE = "anywhere"
    PUBLIC = "public"
    LOOPBACK = "loopback"


def open_session(reach: Reach = Reach.ANYWHERE) -> aiohttp.ClientSession:
    """Open a session. An address out of reach fails as one that does not answer (``aiohttp.ClientConnectorError``)."""
    connector = aiohttp.TCPConnector(socket_factory=_factory(reach), limit=256)
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": USER_AGENT},
        timeout=aiohttp.ClientTimeout(total=TOTAL_TIMEOUT, connect=CONNECT_TIMEOUT),
        trust_env=False,
    )


def within(reach: Reach, host: str) -> bool:
    """Whether an IP address is within reach. ``host`` may carry an IPv6 zone."""
    address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    match reach:
        case Reach.PUBLIC:
            return address.is_global and not address.is_multicast
        case Reach.LOOPBACK:
            return address.is_loopback
        case Reach.ANYWHERE:
            return True


def _factory(reach: Reach) -> Callable[[AddrInfo], socket.socket]:
    def make(info: AddrInfo) -> socket.socket:
        family, type_, protocol, _, address = info
        if not within(reach, str(address[0])):
            raise PermissionError(errno.EACCES, f"{address[0]} may not be connected to ({reach.value} addresses only)")
        return socket.socket(family, type_, protocol)

    return make
