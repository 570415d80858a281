"""Who is signed in: passwords, signed session tokens, and their end before their time.

A token says who, since when, and a print of the password hash: a changed password, a removed operator or a revocation
voids it on every node. Nothing is kept per session.
"""

import asyncio
import hmac
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Struct

from desk.ports import Account, Outside
from web.errors import Refusal
from web.limits import RateLimiter, network_key
from web.tokens import Signer, TokenRefused

SESSION: Final = "desk-session"
TRIES_AT_ONCE: Final = 10
TRIES_PER_SECOND: Final = 0.1
"""For an account."""

ADDRESS_TRIES_AT_ONCE: Final = 100
ADDRESS_TRIES_PER_SECOND: Final = 1.0
"""For an address, behind which a whole office may begin its shift."""

HASHES_AT_ONCE: Final = 2
"""Each takes 64 MB and a thread for some 50 ms."""

VERIFY_WITHIN: Final = 10.0
BUSY_FOR: Final = 5.0
PLACES: Final = 10_000
"""Operators' networks that are remembered."""

Place = tuple[str, str]
"""An operator and the network that they signed in from."""


class Session(Struct, frozen=True, array_like=True):
    """What a session token says. ``began`` and ``expires`` are in ms since the epoch."""

    id: str
    operator: str
    began: int
    expires: int
    password: str


class Sessions:
    """Makes, checks and ends sessions. ``lasts`` is in ms; ``verify_within`` in seconds."""

    def __init__(
        self,
        outside: Outside,
        *,
        lasts: int,
        verify_within: float = VERIFY_WITHIN,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._outside = outside
        self._lasts = lasts
        self._signer = Signer(outside.secret(SESSION))
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash(outside.new_id())
        self._verify_within = verify_within
        self._hashing = ThreadPoolExecutor(HASHES_AT_ONCE, "passwords")  # who gives up does not free a thread
        self._places: dict[Place, None] = {}
        self._by_address = RateLimiter(ADDRESS_TRIES_PER_SECOND, ADDRESS_TRIES_AT_ONCE, outside.monotonic)
        self._by_account = RateLimiter(TRIES_PER_SECOND, TRIES_AT_ONCE, outside.monotonic)

    async def sign_in(self, operator: str, password: str, ip: str) -> tuple[Session, str]:
        """Check a password; give the new session and its token.

        Whether the operator exists shows neither in the answer nor in the time it takes.

        Raises:
            Refusal: 429 after too many tries, 401 for a wrong name or password, 503 when too many try at once.
        """
        place = (operator, network_key(ip))
        self._slow_down(place)
        account = self._outside.accounts.find(operator)
        known = account.password_hash if account is not None else ""
        right = await self._verify(known or self._nobody, password)
        if account is None or not known or not right:
            raise Refusal(401, "wrong_password", "the name or the password is wrong")
        self._remember(place)
        now = self._outside.now()
        session = Session(self._outside.new_id(), account.id, now, now + self._lasts, _print(account))
        return session, self._signer.sign(SESSION, session, expires_at=session.expires)

    def find(self, token: str) -> tuple[Session, Account]:
        """Give the session of a token and whose it is.

        Raises:
            Refusal: 401; the token is forged, expired or void.
        """
        try:
            session = self._signer.verify(token, SESSION, Session, now=self._outside.now())
        except TokenRefused as exc:
            raise _signed_out() from exc
        return session, self.check(session)

    def check(self, session: Session) -> Account:
        """Give the account of a session that is good still.

        Raises:
            Refusal: 401; it has expired or is void.
        """
        account = self._outside.accounts.find(session.operator)
        if account is None or not hmac.compare_digest(_print(account), session.password):
            raise _signed_out()
        revoked = self._outside.revocations.revoked_at
        ended = max(revoked(f"session-{session.id}"), revoked(f"operator-{session.operator}"))
        if session.began <= ended or self._outside.now() >= session.expires:
            raise _signed_out()
        return account

    async def end(self, session: Session, *, everywhere: bool) -> None:
        """End a session, or all of its operator."""
        now = self._outside.now()
        subject = f"operator-{session.operator}" if everywhere else f"session-{session.id}"
        await self._outside.revocations.revoke(subject, at=now, until=now + self._lasts)

    def _slow_down(self, place: Place) -> None:
        """Count a try. Whoever guesses from elsewhere must not lock out those who work here.

        Raises:
            Refusal: 429.
        """
        operator, network = place
        account = f"{operator} {network}" if place in self._places else operator
        if wait := self._by_address.take(network) or self._by_account.take(account):
            raise Refusal(429, "rate_limited", "too many tries to sign in; please wait", retry_after=wait)

    def _remember(self, place: Place) -> None:
        self._places.pop(place, None)
        self._places[place] = None
        if len(self._places) > PLACES:
            del self._places[next(iter(self._places))]

    async def _verify(self, known: str, password: str) -> bool:
        hashing = asyncio.get_running_loop().run_in_executor(self._hashing, self._matches, known, password)
        try:
            async with asyncio.timeout(self._verify_within):
                return await hashing
        except TimeoutError as exc:
            message = "too many people sign in at this moment; please try again"
            raise Refusal(503, "unavailable", message, retry_after=BUSY_FOR) from exc

    def _matches(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False


def _print(account: Account) -> str:
    """Give a print of the password hash, so that a new password ends the sessions of the old one."""
    return sha256(account.password_hash.encode()).hexdigest()[:16]


def _signed_out() -> Refusal:
    return Refusal(401, "not_signed_in", "please sign in")
