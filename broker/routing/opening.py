"""Opens what comes from IN: what it is, and whom the step that takes it needs."""

import msgspec

from broker.bus.reader import Stored
from broker.routing.lookups import Lookups
from normalizer.envelope import MAX_ENVELOPE_BYTES
from router.inputs import Input, decode_input
from router.step import Undecodable, Wanted, wanted

MAX_INPUT_BYTES = MAX_ENVELOPE_BYTES + 4096
"""From a channel; ours (rules) may be as long as the server takes."""

NOBODY = Wanted()

Prepared = tuple[Stored, Input | Undecodable, Wanted]


def prepare(stored: Stored, source: int, lookups: Lookups) -> Prepared:
    """Decode, and start to look up who is needed. At `source` of the subject its last part begins: who wrote it."""
    value = _decode(stored.subject[source:], stored.payload)
    need = wanted(value)
    if not (need.addresses or need.people or need.conversations):
        return stored, value, NOBODY
    lookups.begin(need)
    return stored, value, need


def _decode(source: str, payload: bytes) -> Input | Undecodable:
    if len(payload) > MAX_INPUT_BYTES and not source.startswith("_"):
        return Undecodable("too_large")
    try:
        return decode_input(source, payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return Undecodable(type(error).__name__)
