"""What can be set of a channel that another program serves."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from config import Duration, SettingError
from normalizer.capabilities import MIN_TEXT_LIMIT, Unit

LONGEST_CALL = 60_000


class ExternalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="external", tag_field="type"):
    """A channel that a program of one's own serves over NATS: what it can show, as Trunkline cannot ask it."""

    text_limit: Annotated[
        int, Meta(ge=MIN_TEXT_LIMIT, le=60_000, description="The longest text; longer answers are several messages.")
    ] = 1_600
    unit: Annotated[Unit, Meta(description="What `text_limit` and `button_limit` count.")] = Unit.CODE_POINTS
    kinds: Annotated[
        list[Literal["choice", "contact", "form", "location", "rating"]],
        Meta(description="Kinds of content besides text that the program takes; others come as text."),
    ] = []
    buttons: Annotated[int, Meta(ge=0, le=100, description="How many options a choice may have as buttons.")] = 0
    button_limit: Annotated[int, Meta(ge=1, le=1_000, description="How long the label of a button may be.")] = 20
    delivered: Annotated[bool, Meta(description="Whether the program reports what was delivered.")] = False
    read: Annotated[bool, Meta(description="Whether the program reports what was read.")] = False
    timeout: Annotated[Duration, Meta(description="How long the program may take to send; 60s at most.")] = Duration(
        10_000
    )
    per_second: Annotated[float, Meta(gt=0, description="The most messages a second; none: no limit.")] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= LONGEST_CALL:
            raise SettingError("must be above 0s and at most 60s", key="timeout")
