"""How often strangers may do something: a token bucket per key (the generic cell rate algorithm, ITU-T I.371).

One float per key is kept, and never more than ``max_keys`` of them: under a flood of fresh keys the ones used
longest ago are forgotten first, which at worst gives a known visitor a full bucket.
"""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address


class RateLimiter:
    """Allows ``burst`` at once and ``rate`` per second in the long run, for each key by itself.

    ``clock`` gives seconds that never run backwards (``time.monotonic``).
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float], max_keys: int = 10_000) -> None:
        if rate <= 0 or burst < 1 or max_keys < 1:
            raise ValueError("rate must be above 0, burst and max_keys at least 1")
        self._interval = 1 / rate
        self._slack = burst * self._interval
        self._clock = clock
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when the bucket of a key will be full again

    def take(self, key: str, cost: float = 1.0) -> float:
        """Take ``cost`` from the bucket of ``key``: 0.0 when it was there, else the seconds until it will be."""
        wait = self.retry_after(key, cost)
        if wait == 0.0:
            self._full_at[key] = max(self._full_at.get(key, 0.0), self._clock()) + cost * self._interval
            self._full_at.move_to_end(key)
            if len(self._full_at) > self._max_keys:
                self._full_at.popitem(last=False)
        return wait

    def retry_after(self, key: str, cost: float = 1.0) -> float:
        """Give the seconds after which ``cost`` could be taken (0.0: now), without taking it."""
        now = self._clock()
        return max(0.0, max(self._full_at.get(key, 0.0), now) + cost * self._interval - now - self._slack)

    def __len__(self) -> int:
        return len(self._full_at)


def network_key(ip: str) -> str:
    """Give the key by which an address is counted: itself, or the /64 of an IPv6 one, which is one customer's line."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Network((int(address), 64), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)
