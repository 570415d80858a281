"""The ids of timers: ``<kind>:<what it is about>``. Facts set and clear them; a timer fires by leaving the state."""

OFFER = "offer"
STEP = "step"
EXCLUDED = "excluded"
SAY = "say"
UNANSWERED = "unanswered"
ORPHAN = "orphan"
WRAP_UP = "wrap"
ARCHIVE = "archive"
CALL = "call"
PARK = "park"
GRACE = "grace"
NODE = "node"
IDLE = "idle"
WAKE = "wake"
FORGET = "forget"


def timer_id(kind: str, *about: str) -> str:
    """Name the timer of ``kind`` about these ids; none but the last can hold a colon."""
    return ":".join((kind, *about))
