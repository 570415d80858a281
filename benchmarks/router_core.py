"""What one input costs the router's core: ``python -m benchmarks.router_core`` prints microseconds of CPU per advance.

Messages of existing conversations at 100 and 100,000 open ones (flat is the goal), and of new conversations.
"""

import gc
import time

import msgspec

from normalizer.content import Language, Text
from normalizer.envelope import Envelope
from router.inputs import Command, Message, OperatorUp, RulesProposed, SetPresence
from router.record import encode_record
from router.rules import ChannelRule, OperatorRule, Route, Rules, Waiting
from router.state import State
from router.step import Machine

START = 1_700_000_000_000
OPERATORS = 20
MESSAGES = 20_000


def rules() -> Rules:
    """Chats that cost nothing to hold, so that any number can be open."""
    return Rules(
        channels={"site": ChannelRule(type="webchat", units=0)},
        operators={f"o{i}": OperatorRule(name=f"O{i}", languages={"en": 7}) for i in range(OPERATORS)},
        routes=(Route(name="all"),),
        waiting=(Waiting(after=15_000, say={"en": "One moment, please."}),),
    )


def message(seq: int, visitor: int, at: int) -> Message:
    """A chat message as the web chat sends it, decoded from its bytes like a real one."""
    value = Message(
        envelope=Envelope(
            id=f"{seq:032x}",
            at=at,
            channel="site",
            type="webchat",
            native_id=f"n{seq}",
            address=f"visitor:{visitor:08d}",
            content=Text(text="Where is my order?", language=Language(code="en")),
        )
    )
    return msgspec.json.decode(msgspec.json.encode(value), type=Message)


def run(count: int) -> tuple[float, float]:
    """Open ``count`` conversations, then write on in them; gives us per new and per existing one."""
    machine = Machine(State(), release="bench")
    machine.advance(1, START, RulesProposed(hash="h", rules=rules()))
    for i in range(OPERATORS):
        machine.advance(2 + 2 * i, START, OperatorUp(operator=f"o{i}", node="n"))
        ready = Command(id="k", operator=f"o{i}", expires=START, action=SetPresence(state="available"))
        machine.advance(3 + 2 * i, START, ready)
    seq, now = 2 + 2 * OPERATORS, START
    inputs = [message(seq + i, i, now) for i in range(count)]
    gc.collect()
    gc.freeze()
    begin = time.process_time()
    for value in inputs:
        seq += 1
        machine.advance(seq, now, value)
    new = (time.process_time() - begin) / count
    inputs = [message(10**7 + i, (i * 7919) % count, now) for i in range(MESSAGES)]
    gc.collect()
    gc.freeze()
    best = float("inf")
    for part in range(4):
        begin = time.process_time()
        for value in inputs[part::4]:
            seq += 1
            machine.advance(seq, now, value)
        best = min(best, (time.process_time() - begin) / (MESSAGES // 4))
    assert len(machine.state.conversations) == count
    entry = machine.advance(seq + 1, now, message(10**8, 0, now))[-1]
    begin = time.process_time()
    for _ in range(10_000):
        encode_record(entry.record)
    encode = (time.process_time() - begin) / 10_000
    print(f"{count:>7} open: existing {best * 1e6:6.1f} us, new {new * 1e6:6.1f} us, encode {encode * 1e6:4.1f} us")
    gc.unfreeze()
    return new, best


def main() -> None:
    """Print both sizes and their ratio."""
    small, large = run(100), run(100_000)
    print(f"flatness (existing, 100,000 against 100): {large[1] / small[1]:.2f}")


if __name__ == "__main__":
    main()
