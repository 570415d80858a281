"""What a visitor carries for us: the session token, the cursor, references to files. All bound to the visitor."""

import secrets
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from adapters.contract import Cursor
from adapters.webchat.identity import User, stable_visitor
from normalizer.content import Media
from web.tokens import Sealer, Signer, TokenRefused

VISITOR_BYTES: Final = 16
FILE_LIFE: Final = 7 * 86_400_000
"""How long a reference to a file is good, in ms; a page that is open for longer gets new ones when it is loaded."""


class Session(Struct, frozen=True, omit_defaults=True):
    """A visitor of one website. ``issued_at`` is in ms since the epoch; ``user`` is who the shop says that it is."""

    visitor: str
    origin: str
    issued_at: int
    user: User | None = None

    @property
    def address(self) -> str:
        """The visitor's address: random, hence unique in the whole workspace."""
        return f"visitor:{self.visitor}"


class _Place(Struct, frozen=True):
    visitor: str
    cursor: Cursor


class _File(Struct, frozen=True):
    visitor: str
    media: Media


class Tickets:
    """Makes and checks them for one channel. ``life`` is that of a session in ms, ``now`` gives ms since the epoch."""

    def __init__(self, secret: Callable[[str], bytes], channel: str, *, life: int, now: Callable[[], int]) -> None:
        self._signer = Signer(secret("webchat sessions"))
        self._sealer = Sealer(secret("webchat files"))
        self._users = secret("webchat users")
        self._channel = channel
        self._life = life
        self._now = now

    def admit(self, origin: str, known: Session | None) -> tuple[str, Session]:
        """Give a token and its session to a visitor, a new one or ``known`` again."""
        visitor = known.visitor if known else secrets.token_hex(VISITOR_BYTES)
        return self.issue(Session(visitor, origin, self._now(), known.user if known else None))

    def identify(self, known: Session, user: User, *, keep: bool) -> tuple[str, Session]:
        """Give a token to a visitor who turned out to be ``user``: the same visitor on every device.

        With ``keep`` a stranger stays the visitor who they were; somebody else's conversation is never kept.
        """
        same = keep and (known.user is None or known.user.id == user.id)
        visitor = known.visitor if same else stable_visitor(self._users, user)
        return self.issue(Session(visitor, known.origin, self._now(), user))

    def issue(self, session: Session) -> tuple[str, Session]:
        """Sign a session."""
        return self._signer.sign(self._purpose("session"), session, expires_at=self.expires_at(session)), session

    def session(self, token: str, origin: str | None) -> Session:
        """Give the session of a token. Raises TokenRefused, also when it was made for another website."""
        session = self._signer.verify(token, self._purpose("session"), Session, now=self._now())
        if origin is not None and session.origin != origin:
            raise TokenRefused("forged")
        return session

    def expires_at(self, session: Session) -> int:
        """Say when the token of a session ends."""
        return session.issued_at + self._life

    def renew_at(self, session: Session) -> int:
        """Say when the page should fetch a new token."""
        return session.issued_at + self._life // 2

    def cursor(self, visitor: str, cursor: Cursor) -> str:
        """Make a place in the log that only this visitor can use."""
        return self._signer.sign(self._purpose("cursor"), _Place(visitor, cursor), expires_at=None)

    def place(self, visitor: str, text: str) -> Cursor:
        """Read a cursor. Raises TokenRefused, also when it is somebody else's."""
        place = self._signer.verify(text, self._purpose("cursor"), _Place, now=self._now())
        if place.visitor != visitor:
            raise TokenRefused("forged")
        return place.cursor

    def file(self, visitor: str, media: Media) -> str:
        """Make a reference to a file of this visitor's conversation; it hides the file's key."""
        expires_at = self._now() + FILE_LIFE
        return self._sealer.seal(self._purpose("file"), _File(visitor, media), expires_at=expires_at)

    def media(self, visitor: str, reference: str) -> Media:
        """Read a reference. Raises TokenRefused, also when it is somebody else's."""
        found = self._sealer.open(reference, self._purpose("file"), _File, now=self._now())
        if found.visitor != visitor:
            raise TokenRefused("forged")
        return found.media

    def _purpose(self, what: str) -> str:
        return f"webchat {what} {self._channel}"
