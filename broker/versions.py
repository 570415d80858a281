"""Versions of a workspace's configuration: the files of each, sealed, and the number that the log gave it.

The log holds the compiled rules and the version's name alone. The files are needed by every process (tokens, addresses,
password hashes), so they are kept on the bus, sealed with the workspace's key. Both kinds of entries are functions of
what they are named after, so it does no harm to write them twice.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from broker.bus.connection import Bus
from broker.bus.errors import KeyExists
from broker.bus.kv import Bucket
from broker.bus.streams import Workspace
from broker.channels.secret import derive
from broker.settings.compile import compile_rules
from broker.settings.source import Source, decode_source
from config import compose_sources
from router.inputs import RULES_SOURCE, RulesProposed, encode_input

KEPT = 50
"""So many versions can be gone back to."""

HASH_LENGTH = 32
NONCE_LENGTH = 12


class VersionMissing(Exception):
    """The files of a version are not kept (any more), or not readable."""


class Version(Struct, frozen=True, kw_only=True):
    """One version: its number in the log, its name, when (ms) and by whom it was put in force."""

    number: int
    hash: str
    at: int
    by: str = ""


class Versions:
    """The versions of one workspace. ``secret`` is the workspace's key. Methods raise what the bus raises."""

    def __init__(self, bus: Bus, workspace: Workspace, secret: bytes) -> None:
        self._bus = bus
        self._bucket = Bucket(bus, workspace.sends_bucket)
        self._files = f"{workspace.name}.files."
        self._numbers = f"{workspace.name}.version."
        self._subject = workspace.in_subject(RULES_SOURCE)
        self._naming = derive(secret, "names of versions")
        self._sealing = AESGCM(derive(secret, "files of versions"))

    def proposal(self, source: Source, by: str) -> RulesProposed:
        """Give the input that proposes a version, named by what its files say and by the rules that they make.

        The name is made with a key: a plain hash would let a short secret be guessed from it.
        """
        rules = compile_rules(source.settings)
        whole = msgspec.json.encode((rules, source.document.digest), order="deterministic")
        name = hmac.new(self._naming, whole, hashlib.sha256).hexdigest()[:HASH_LENGTH]
        return RulesProposed(hash=name, rules=rules, by=by)

    async def propose(self, source: Source, by: str) -> int:
        """Keep the files of a version, then put it on IN, where the router finds it; gives the input's sequence."""
        proposal = self.proposal(source, by)
        await self._keep(proposal.hash, source.document.sources)
        return (await self._bus.publish(self._subject, encode_input(proposal))).seq

    async def load(self, name: str, folder: Path, env: Mapping[str, str]) -> Source:
        """Read the files of a version as this process understands them; relative ones are looked for in ``folder``.

        Raises:
            VersionMissing: they are not kept.
            config.ConfigErrors: they cannot be read here (a variable is not set, a library is missing).
        """
        entry = await self._bucket.get(self._files + name)
        if entry is None:
            raise VersionMissing("its files are not kept on the bus: apply a file again")
        nonce, sealed = entry.value[:NONCE_LENGTH], entry.value[NONCE_LENGTH:]
        try:
            packed = self._sealing.decrypt(nonce, sealed, name.encode())
        except InvalidTag as exc:
            raise VersionMissing("its files are sealed with another key: apply a file again") from exc
        files = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=dict[str, bytes])
        sources = {folder / file: content for file, content in files.items()}
        document = compose_sources(sources, folder)
        return await asyncio.to_thread(decode_source, document, env)  # it may import a channel's library

    async def note(self, version: Version) -> None:
        """Write down which number a version has, and let go of files that are too old."""
        with suppress(KeyExists):  # another process was faster, and wrote the same
            await self._bucket.create(self._numbers + str(version.number), msgspec.json.encode(version))
            await self._forget_old()

    async def all(self) -> list[Version]:
        """Every version whose files are kept, the oldest first."""
        found = [entry async for _, entry in self._bucket.entries(f"{self._numbers}*")]
        return sorted(
            (msgspec.json.decode(entry.value, type=Version) for entry in found), key=lambda version: version.number
        )

    async def _keep(self, name: str, sources: Mapping[Path, bytes]) -> None:
        packed = zstandard.ZstdCompressor().compress(
            msgspec.msgpack.encode({file.name: content for file, content in sources.items()})
        )
        nonce = secrets.token_bytes(NONCE_LENGTH)
        with suppress(KeyExists):
            await self._bucket.create(self._files + name, nonce + self._sealing.encrypt(nonce, packed, name.encode()))

    async def _forget_old(self) -> None:
        known = await self.all()
        young = {version.hash for version in known[-KEPT:]}
        for old in known[:-KEPT]:
            if old.hash not in young:
                await self._bucket.delete(self._files + old.hash)
            await self._bucket.delete(self._numbers + str(old.number))
