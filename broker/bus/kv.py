"""Key-value buckets, read at the leader."""

import msgspec

from broker.bus.connection import Bus


class Entry(msgspec.Struct, frozen=True):
    """A value and its revision (the sequence in the bucket's stream)."""

    value: bytes
    revision: int


def kv_key(text: str) -> str:
    """Encode any text as one safe key token, reversibly."""
    raise NotImplementedError


def kv_text(key: str) -> str:
    """Undo `kv_key`."""
    raise NotImplementedError


class Bucket:
    """A bucket. Keys are dot-separated tokens of `kv_key` output or ids of ours."""

    def __init__(self, bus: Bus, name: str) -> None: ...

    async def get(self, key: str) -> Entry | None:
        """The newest value, None when there is none or it was deleted."""
        raise NotImplementedError

    async def put(self, key: str, value: bytes) -> int:
        """Write and return the revision."""
        raise NotImplementedError

    async def create(self, key: str, value: bytes) -> int:
        """Write only if the key is not there; raises `KeyExists`."""
        raise NotImplementedError

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write only if the key still has `revision`; raises `WrongRevision`."""
        raise NotImplementedError

    async def delete(self, key: str, *, revision: int | None = None) -> None:
        """Delete; with `revision` only if it still has it, else `WrongRevision`."""
        raise NotImplementedError

    async def keys(self, filter_subject: str = ">") -> list[str]:
        """Keys that have a value, in no order; `filter_subject` may hold wildcards."""
        raise NotImplementedError
