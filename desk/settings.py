"""The desk's part of the configuration file."""

from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from config import Duration, SettingError, Size

SHORTEST_SESSION = Duration(60_000)


class ServiceLevel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a customer may wait for an answer, as the desk colours it."""

    due: Annotated[Duration, Meta(description="After so long an answer is due.")]
    late: Annotated[Duration, Meta(description="After so long it is late.")]

    def __post_init__(self) -> None:
        if self.late <= self.due:
            raise SettingError(f"must be longer than due ({self.due})", key="late")


def _level(due: int, late: int) -> ServiceLevel:
    return ServiceLevel(due=Duration(due), late=Duration(late))


class ServiceLevels(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a waiting customer shows as due and as late at the desk: a visitor leaves after a minute."""

    interactive: Annotated[ServiceLevel, Meta(description="Of chats; 15s and 1m by default.")] = _level(15_000, 60_000)
    exclusive: Annotated[ServiceLevel, Meta(description="Of calls; 10s and 30s by default.")] = _level(10_000, 30_000)
    deferrable: Annotated[ServiceLevel, Meta(description="Of mails; 1h and 4h by default.")] = _level(
        3_600_000, 4 * 3_600_000
    )
    rules: Annotated[
        dict[str, ServiceLevel], Meta(description="Name of a routing rule to what holds for its queue instead.")
    ] = field(default_factory=dict)


class DeskSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operators' desk."""

    session: Annotated[Duration, Meta(description="How long a sign-in lasts.")] = Duration(12 * 3_600_000)
    upload_limit: Annotated[Size, Meta(description="The largest file that an operator may send.")] = Size(20_000_000)
    away_after: Annotated[
        Duration, Meta(description="How long after its last connection is gone an operator counts as lost.")
    ] = Duration(3_000)
    idle_after: Annotated[
        Duration, Meta(description="An operator who does nothing for so long at an open desk is set away; 0s is never.")
    ] = Duration(15 * 60_000)
    timezone: Annotated[
        ZoneInfo, Meta(description="The time zone of days and hours in search and reports, such as Europe/Warsaw.")
    ] = ZoneInfo("UTC")
    service_levels: Annotated[ServiceLevels, Meta(description="When a waiting customer shows as due and as late.")] = (
        ServiceLevels()
    )

    def __post_init__(self) -> None:
        if self.session < SHORTEST_SESSION:
            raise SettingError("must be at least 1m: who signs in would be signed out at once", key="session")
