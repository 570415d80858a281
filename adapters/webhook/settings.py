"""What can be set of a webhook channel."""

from typing import Annotated

from msgspec import Meta, Struct

from adapters.pace import LONGEST_PATIENCE
from adapters.urls import url_fault
from config import Duration, Secret, SettingError

SHORTEST_SECRET = 16
LONGEST_CALL = 60_000
LONGEST_TOLERANCE = 86_400_000
"""Half of the time for which a repeated message is known to be one (promise P2)."""


class WebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="webhook", tag_field="type"):
    """A channel over signed HTTP requests, for a system of one's own."""

    secrets: Annotated[
        list[Secret],
        Meta(
            min_length=1,
            max_length=5,
            description="Shared secrets of at least 16 characters. The first signs what goes out, each may sign what "
            "comes in; two of them while one is being replaced.",
        ),
    ]
    url: Annotated[
        str, Meta(description="Where answers are posted: https, or http to this machine. None: only in.")
    ] = ""
    status_url: Annotated[
        str,
        Meta(description="Where to ask whether a message has arrived, `{id}` being its id; none: it stays unknown."),
    ] = ""
    timeout: Annotated[Duration, Meta(description="How long one request out may take.")] = Duration(10_000)
    tolerance: Annotated[Duration, Meta(description="How far the clock of a signature may be off; 24h at most.")] = (
        Duration(300_000)
    )
    retry_for: Annotated[
        Duration, Meta(description="What could not be sent for this long is given up; 6d at most.")
    ] = Duration(86_400_000)
    per_second: Annotated[float, Meta(gt=0, description="The most requests a second; none: no limit.")] | None = None

    def __post_init__(self) -> None:
        problems = [*_url_faults(self.url, self.status_url)]
        if any(len(secret.reveal()) < SHORTEST_SECRET for secret in self.secrets):
            problems.append(
                SettingError(
                    f"a secret is shorter than {SHORTEST_SECRET} characters; make one with `openssl rand -hex 32`",
                    key="secrets",
                )
            )
        if not 0 < self.retry_for <= LONGEST_PATIENCE:
            problems.append(SettingError("must be above 0s and at most 6d", key="retry_for"))
        if not 0 < self.tolerance <= LONGEST_TOLERANCE:
            problems.append(SettingError("must be above 0s and at most 24h", key="tolerance"))
        if not 0 < self.timeout <= LONGEST_CALL:
            problems.append(SettingError("must be above 0s and at most 60s", key="timeout"))
        if problems:
            raise ExceptionGroup("webhook", problems)


def _url_faults(url: str, status_url: str) -> list[SettingError]:
    faults = [SettingError(fault, key=key) for key, text in _urls(url, status_url) if (fault := url_fault(text))]
    if status_url and "{id}" not in status_url:
        faults.append(SettingError("must hold {id} where the id of the message stands", key="status_url"))
    return faults


def _urls(url: str, status_url: str) -> list[tuple[str, str]]:
    return [(key, text) for key, text in (("url", url), ("status_url", status_url)) if text]
