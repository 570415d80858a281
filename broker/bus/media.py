"""Media objects: encrypted one by one, stored in pieces."""

from collections.abc import AsyncIterator

import msgspec

from broker.bus.connection import Bus
from broker.bus.streams import Workspace


class MediaRef(msgspec.Struct, frozen=True):
    """Where an object is and how to read it; whoever forgets `key` has erased the object."""

    name: str
    size: int
    sha256: str
    key: bytes


class MediaStore:
    """Objects of one workspace."""

    def __init__(self, bus: Bus, workspace: Workspace) -> None: ...

    async def put(self, chunks: AsyncIterator[bytes], limit: int) -> MediaRef:
        """Store; raises `MediaTooLarge` over `limit` bytes and keeps nothing then."""
        raise NotImplementedError

    def read(self, ref: MediaRef) -> AsyncIterator[bytes]:
        """Yield the object's bytes; raises `MediaMissing` or `MediaDamaged`."""
        raise NotImplementedError

    async def delete(self, name: str) -> None:
        """Remove the object's pieces."""
        raise NotImplementedError
