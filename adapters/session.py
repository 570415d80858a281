"""HTTP clients for adapters: to anywhere, to public addresses only, or to this machine only.

The address is checked when the socket is made, after names were resolved and after every redirect, so neither a
number in the URL nor a name that changes its mind leads inside. Within :func:`send_by` the time is checked too, in
the last moment before a request's bytes go out: a process that stood still in the middle of a call wakes up with its
connection made, and by then somebody else may have sent what comes behind.
"""

import errno
import math
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


class TooLate(ConnectionAbortedError):
    """The time to send this has passed; nothing more of it goes out."""


_send_by: ContextVar[float] = ContextVar("send_by", default=math.inf)


@contextmanager
def send_by(deadline: float) -> Iterator[None]:
    """Let requests in this context begin until ``deadline`` (``time.monotonic`` seconds) and not later.

    A late one fails as a connection that breaks (``aiohttp.ClientError``), without a byte on the wire.
    """
    token = _send_by.set(deadline)
    try:
        yield
    finally:
        _send_by.reset(token)


def sending_until() -> float:
    """Give the deadline of this context; an adapter that does not use our sessions keeps to it by itself."""
    return _send_by.get()


async def _in_time(*_: object) -> None:
    if time.monotonic() >= sending_until():
        raise TooLate(errno.ECONNABORTED, "this process stood still, and the time to send it has passed")


def _punctual() -> aiohttp.TraceConfig:
    """Check the deadline before each write: aiohttp calls its traces just before it writes."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_in_time)
    trace.on_request_chunk_sent.append(_in_time)
    return trace


def open_session(reach: Reach = Reach.ANYWHERE) -> aiohttp.ClientSession:
    """Open a session. An address out of reach fails as one that does not answer (``aiohttp.ClientConnectorError``)."""
    connector = aiohttp.TCPConnector(socket_factory=_factory(reach), limit=256)
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": USER_AGENT},
        timeout=aiohttp.ClientTimeout(total=TOTAL_TIMEOUT, connect=CONNECT_TIMEOUT),
        trust_env=False,
        trace_configs=[_punctual()],
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
