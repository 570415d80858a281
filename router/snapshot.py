"""The state as bytes, for snapshots, and its fingerprint.

JSON, because the channels' own data inside (``channel_data``) is JSON already and stays as it is.
"""

import hashlib
from collections import Counter

import msgspec

from router.state import State

_encoder = msgspec.json.Encoder()
_sorted_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(State)


def encode_state(state: State) -> bytes:
    """Encode for a snapshot; the order of each dict is kept, since some stand for age."""
    return _encoder.encode(state)


def decode_state(payload: bytes) -> State:
    """Decode a snapshot of any past version.

    Raises:
        msgspec.DecodeError: this is no state that this release understands.
    """
    state = _decoder.decode(payload)
    for conversation in state.conversations.values():
        for sending in conversation.sendings.values():
            sending.channel_data = sending.channel_data.copy()  # or it would keep the whole payload in memory
    for operator in state.operators.values():
        if operator.held and not operator.counts:  # written before there were any
            operator.counts = dict(Counter(state.conversations[name].channel for name in operator.held))
    return state


def state_hash(state: State) -> str:
    """Give a fingerprint (SHA-256) of the state that does not depend on the order in its dicts."""
    return hashlib.sha256(_sorted_encoder.encode(state)).hexdigest()
