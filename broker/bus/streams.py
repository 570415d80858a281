"""Names of streams, subjects and buckets, and their creation and verification."""

import msgspec

from broker.bus.connection import Bus

DEAD_STREAM = "TL_DEAD"
CLAIMS_BUCKET = "TL_claims"
LEASES_BUCKET = "TL_leases"
SENDS_BUCKET = "TL_sends"


class Workspace:
    """Every name that belongs to one workspace. Tokens are ids of ours, never provider text."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.in_stream = f"TL_{name}_IN"
        self.log_stream = f"TL_{name}_LOG"
        self.arc_stream = f"TL_{name}_ARC"
        self.snap_stream = f"TL_{name}_SNAP"
        self.media_stream = f"TL_{name}_MEDIA"
        self.people_bucket = f"TL_{name}_people"
        self.claims_bucket = CLAIMS_BUCKET
        self.leases_bucket = LEASES_BUCKET
        self.sends_bucket = SENDS_BUCKET
        self.term_subject = f"tl.{name}.log._.term"
        self.skip_subject = f"tl.{name}.log._.skip"

    def in_subject(self, source: str) -> str:
        """`tl.<w>.in.<source>`."""
        raise NotImplementedError

    def log_subject(self, line: str) -> str:
        """`tl.<w>.log.<line>.f`: a record that sends nothing."""
        raise NotImplementedError

    def out_subject(self, line: str, channel: str) -> str:
        """`tl.<w>.log.<line>.out.<channel>`; `line` may be "*" to read all of a channel."""
        raise NotImplementedError

    def line_subjects(self, line: str) -> str:
        """`tl.<w>.log.<line>.>`: everything of a line."""
        raise NotImplementedError

    def live_subject(self, conversation: str) -> str:
        """`tl.<w>.live.<conversation>`."""
        raise NotImplementedError

    def ask_subject(self, name: str) -> str:
        """`tl.<w>.ask.<name>`."""
        raise NotImplementedError

    def arc_subject(self, person: str, conversation: str) -> str:
        """`tl.<w>.arc.<person>.<conversation>`; either may be "*"."""
        raise NotImplementedError

    def snap_subject(self, snapshot: str) -> str:
        """`tl.<w>.snap.<snapshot>`."""
        raise NotImplementedError

    def media_subject(self, name: str) -> str:
        """`tl.<w>.media.<name>`."""
        raise NotImplementedError

    def dead_subject(self, reason: str) -> str:
        """`tl.dead.<w>.<reason>`."""
        raise NotImplementedError


class StreamTimes(msgspec.Struct, frozen=True):
    """When each stream was created (RFC 3339 as the server writes it): half of every position."""

    in_stream: str
    log_stream: str
    arc_stream: str
    snap_stream: str
    media_stream: str


async def ensure_streams(bus: Bus, workspace: Workspace) -> StreamTimes:
    """Create or verify everything of a workspace; raises `StreamMismatch`."""
    raise NotImplementedError
