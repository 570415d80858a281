"""Cancels tasks and waits until they have really ended."""

import asyncio
from collections.abc import Iterable

import structlog

CANCEL_AGAIN = 0.2  # seconds

log = structlog.get_logger(__name__)


async def end(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel and wait until all have ended; what one of them raised meanwhile is logged.

    One `cancel` is not enough: Python 3.11's `asyncio.wait_for`, inside nats-py's `request`, loses a cancellation
    that arrives together with the answer.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN)
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.info("task.ended", error=repr(error))
