"""When to change between webhook and polling, judged by what getWebhookInfo says. Pure; times are ms since the epoch.

Nothing is lost or doubled by a change: Telegram keeps one queue for both ways, a webhook is removed without dropping
it, and an update that comes by both has one native id.
"""

from msgspec import Struct

MINUTE = 60_000
FIRST_RETRY, LONGEST_RETRY = MINUTE, 60 * MINUTE
STEADY = 10 * MINUTE
STRIKES = 2


class WebhookInfo(Struct, frozen=True):
    """core.telegram.org/bots/api#webhookinfo, as far as it matters; the date is in Unix seconds."""

    url: str = ""
    pending_update_count: int = 0
    last_error_date: int = 0
    last_error_message: str = ""


class Watch:
    """Looks after a webhook that has just been set, beginning with what was said of it then.

    It fails when Telegram reports an error that is new, and what waits does not become less, ``STRIKES`` looks in a
    row: a load alone is no failure, and neither is a hiccup. Once nothing waits any more an error is of the past.
    """

    def __init__(self, first: WebhookInfo) -> None:
        self._first = first
        self._last = first
        self._strikes = 0

    def fails(self, info: WebhookInfo) -> bool:
        """Take the next look."""
        erring = info.last_error_date > self._first.last_error_date
        stuck = 0 < info.pending_update_count >= self._last.pending_update_count
        self._strikes = self._strikes + 1 if erring and stuck else 0
        self._last = info
        if not info.pending_update_count:
            self._first = info
        return self._strikes >= STRIKES


class Retry:
    """When to try the webhook again: after pauses that grow, until it has worked for a while."""

    def __init__(self) -> None:
        self._pause = FIRST_RETRY
        self._begun: int | None = None

    def begin(self, now: int) -> None:
        """Note that the webhook is set."""
        self._begun = now

    def failed(self, now: int) -> int:
        """Note that it does not work; gives the time at which to try it again."""
        if self._begun is not None and now - self._begun >= STEADY:
            self._pause = FIRST_RETRY
        self._begun = None
        at = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_RETRY)
        return at
