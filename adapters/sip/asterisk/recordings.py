"""Recordings of calls: fetched from Asterisk into the media store."""

from adapters.contract import Context, FileTooBig
from adapters.errors import SendError
from adapters.sip.asterisk.client import Ari, quoted
from adapters.sip.asterisk.mapping import MEDIA_TYPES
from adapters.sip.asterisk.wire import Recording
from normalizer.content import Media

LONGEST = 64 * 1024 * 1024
"""Bytes of a recording, at most."""


async def fetch_recording(ari: Ari, context: Context, recording: Recording, call: str) -> tuple[Media | None, str]:
    """Give the stored recording of a call, or None and the reason why there is none, a sentence for the operator.

    Raises:
        NotAccepted: it could not be stored in time.
    """
    name = recording.name
    try:
        file = await context.media.put(
            ari.fetch(f"/recordings/stored/{quoted(name)}/file"), limit=LONGEST, key=f"{call} {name}"
        )
    except (SendError, FileTooBig) as exc:
        return None, f"The recording {name} could not be fetched: {exc}"
    media = Media(
        file=file,
        type=MEDIA_TYPES.get(recording.format, "application/octet-stream"),
        filename=f"{name.rpartition('/')[2]}.{recording.format}",
        duration=None if recording.duration is None else recording.duration * 1_000,
    )
    return media, ""
