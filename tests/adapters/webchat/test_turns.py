"""The order of one tab's messages, against pages that repeat whatever they like whenever they like."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.webchat.turns import MAX_HELD, MAX_REMEMBERED, Turns


@given(st.lists(st.tuples(st.sampled_from(["take", "refuse", "store", "lose"]), st.integers(0, 30)), max_size=200))
def test_whatever_happens_messages_are_stored_in_order_and_none_waits_for_ever(deeds: list[tuple[str, int]]) -> None:
    """A page writes 0, 1, 2 ... and now and then sends all again that it has no acknowledgement for."""
    turns, queue, stored, acknowledged = Turns(), list[str](), list[str](), set[str]()
    written = 0

    def send(name: str, *, room: bool) -> None:
        if turns.of(name) == "now" and room:
            turns.begin(name)
            queue.append(name)
        elif turns.of(name) in ("now", "later"):
            turns.hold(name)

    def repeat(*, room: bool) -> None:
        for number in range(written):
            if str(number) not in acknowledged:
                send(str(number), room=room)

    def store() -> None:
        name = queue.pop(0)
        stored.append(name)
        turns.end(name, stored=True)

    for deed, number in deeds:
        match deed:
            case "take" | "refuse":
                send(str(written), room=deed == "take")
                written += 1
            case "store" if queue:
                store()
            case "lose" if queue:
                turns.hold_all(queue)
                queue.clear()
            case _:
                acknowledged.update(stored[:number])  # the others are still on their way
                repeat(room=bool(number % 2))
    for _ in range(2):
        repeat(room=True)
        while queue:
            store()
    assert stored == [str(number) for number in range(written)]


def test_what_is_remembered_is_bounded() -> None:
    turns = Turns()
    for number in range(MAX_REMEMBERED + 1):
        turns.begin(str(number))
        turns.end(str(number), stored=True)
    assert turns.of("0") == "now"
    assert turns.of("1") == "stored"


def test_a_message_that_will_never_be_stored_may_come_again() -> None:
    turns = Turns()
    turns.begin("a")
    assert turns.of("a") == "storing"
    turns.end("a", stored=False)
    assert turns.of("a") == "now"


def test_too_many_refused_ones_are_too_many() -> None:
    turns = Turns()
    for number in range(MAX_HELD):
        turns.hold(str(number))
    assert not turns.full
    turns.hold("one more")
    assert turns.full
