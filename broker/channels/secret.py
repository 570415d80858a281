"""Secrets that a workspace makes for itself: one random key in the store, and one derived from it per purpose."""

import secrets
from contextlib import suppress

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from broker.bus.connection import Bus
from broker.bus.errors import KeyExists
from broker.bus.kv import Bucket
from broker.bus.streams import Workspace

LENGTH = 32


async def workspace_secret(bus: Bus, workspace: Workspace) -> bytes:
    """Give the workspace's key; the first one who asks makes it. Raises `NoAnswer`, `PublishUnknown`."""
    bucket, key = Bucket(bus, workspace.sends_bucket), f"{workspace.name}.secret"
    entry = await bucket.get(key)
    if entry is None:
        with suppress(KeyExists):  # another node was faster: its key is the one
            await bucket.create(key, secrets.token_bytes(LENGTH))
        entry = await bucket.get(key)
    assert entry is not None  # noqa: S101  # it is never deleted
    return entry.value


def derive(secret: bytes, purpose: str) -> bytes:
    """Derive 32 bytes for one purpose (HKDF, RFC 5869)."""
    return HKDF(SHA256(), LENGTH, salt=None, info=purpose.encode()).derive(secret)
