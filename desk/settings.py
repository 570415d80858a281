"""The desk's part of the configuration file."""

from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from config import Duration, Size


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
