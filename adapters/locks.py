"""Locks by key: work on the same key is done one after the other, all other work at the same time."""

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

Key = TypeVar("Key", bound=Hashable)


class Locks(Generic[Key]):
    """A lock for each key (an address, a call); one that nobody holds or waits for is forgotten."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: Key) -> asyncio.Lock:
        """Give the lock of a key. Use it at once: ``async with locks.of(key)``, or keep it meanwhile."""
        return self._known.setdefault(key, asyncio.Lock())

    def __len__(self) -> int:
        """Count those in use."""
        return len(self._known)
