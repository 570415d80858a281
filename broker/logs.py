"""Logs: one line per event, secrets scrubbed, never the text of a message above debug."""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, Literal, TextIO
from urllib.parse import quote, quote_plus

import structlog

Format = Literal["console", "json"]
SHORTEST_SECRET = 6
"""Shorter values would blank out ordinary words; no provider issues such a token."""

_ORDERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys instead of showing them, and those that turn a line around."""


def harmless(text: str) -> str:
    """Escape control characters in text from strangers before it is printed on a terminal."""
    return _ORDERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Scrubber:
    """Replaces every known secret in a log line, also inside tracebacks and addresses."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, secrets: Iterable[str]) -> None:
        """Scrub these from now on, also as they stand in a URL; shorter ones than `SHORTEST_SECRET` are left alone."""
        known = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
        self._secrets.update(form for secret in known for form in (secret, quote(secret, safe=""), quote_plus(secret)))

    def clean(self, text: str) -> str:
        """Scrub a text."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Scrub an event: a structlog processor."""
        for key, value in event.items():
            event[key] = self._clean(value)
        return event

    def _clean(self, value: object) -> object:
        if isinstance(value, bool | int | float) or value is None:
            return value
        if isinstance(value, dict):
            return {key: self._clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(item) for item in value]
        return harmless(self.clean(str(value)))


def configure_logs(
    scrubber: Scrubber, *, format_: Format = "console", level: str = "info", stream: TextIO | None = None
) -> None:
    """Send structlog and the standard library's loggers to ``stream`` (standard error) through one chain."""
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        scrubber,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if format_ == "json" else _console(colors=out.isatty())
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiohttp.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _console(*, colors: bool) -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


def get_logger(part: str) -> structlog.stdlib.BoundLogger:
    """Give the logger of a part of the program (``router``, ``channel.site``, ``desk``)."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(part)
    return logger
