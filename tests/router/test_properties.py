"""Whatever happens in whatever order: invariants hold, decisions repeat to the letter, crashes change nothing."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from normalizer.content import Rating, Reaction
from normalizer.outbound import ReceiptState
from router import inputs as i
from router.change import Change
from router.evolve import FOLDS
from router.facts import CommandRefused, InputRefused, MessageTaken, NoteAdded
from router.rules import ChannelRule, Hours, Need, OperatorRule, Relax, Route, Rules, Times, Waiting, When
from router.snapshot import state_hash
from router.step import Undecodable
from tests.router.world import CHANNELS, World, language

TIMES = Times(
    grace=3_000,
    node_lease=15_000,
    unanswered=6_000,
    wrap_up=2_000,
    park_person=4_000,
    archive=20_000,
    reopen=9_000,
    orphan=5_000,
    transfer=3_000,
    exclude_min=2_000,
    language=3_000,
    call=30_000,
    receipts=30_000,
)
FIRST = Rules(
    channels={
        **CHANNELS,
        "site": ChannelRule(type="webchat", units=40, park_after=4_500),
        "ring": ChannelRule(type="webchat", units=40, accept="manual", offer_timeout=2_000),
        "mail": ChannelRule(type="email", kind="deferrable", units=25, park_after=3_000),
    },
    operators={
        "anna": OperatorRule(
            name="Anna",
            role="supervisor",
            skills={"billing": 5, "tech": 2},
            languages={"en": 6, "pl": 7},
            phone="sip:anna@pbx.example",
        ),
        "ben": OperatorRule(name="Ben", skills={"tech": 4}, languages={"en": 7}, limits={"email": 2}),
        "cleo": OperatorRule(name="Cleo", languages={"pl": 7}, phone="sip:cleo@pbx.example"),
    },
    routes=(
        Route(
            name="bills",
            when=When(text=("invoice",)),
            need=Need(skills={"billing": 4}),
            relax=(Relax(after=4_000, need=Need()),),
            boost=10_000,
        ),
        Route(name="urgent", when=When(text=("urgent",)), tier=-1),
        Route(name="all"),
    ),
    languages=("en", "pl"),
    waiting=(Waiting(after=2_000, say={"en": "One moment"}), Waiting(after=5_000, say={"pl": "Chwileczke"})),
    times=TIMES,
)
SECOND = msgspec.structs.replace(
    FIRST,
    operators={
        "anna": FIRST.operators["anna"],
        "ben": OperatorRule(name="Ben", skills={"billing": 4}, languages={"pl": 7}, units=60),
    },
    routes=(Route(name="bills", when=When(text=("invoice",)), need=Need(skills={"tech": 2})), Route(name="all")),
    waiting=(),
    hours={"default": Hours(week=(((540, 1020),),) * 7, say={"en": "Back at {opens}"})},
)
WRONG = msgspec.structs.replace(FIRST, routes=(Route(name="broken", when=When(text=("(",))), Route(name="all")))

NAMES = ("anna", "ben", "cleo", "nobody")
PHONES = ("", "", "sip:anna@pbx.example", "sip:cleo@pbx.example", "sip:fax@pbx.example")
CALL_EVENTS = ("ringing", "ringing", "ringing", "answered", "answered", "ended", "failed", "held", "transferred")
LATE_EVENTS = ("initiated", "recording", "failed", "ended", "answered")
TEXTS = ("hello", "an invoice", "urgent", "dzien dobry")
CHANNEL_NAMES = ("site", "ring", "mail", "phone")
GAPS = (0, 0, 100, 1_000, 1_900, 4_000, 4_900, 12_000)
ACTS = (0, 0, 0, 2, 3, 3, 7, 7, 8, 9, 12, 17, 13, 18, 18, 19, 20, 22)
"""Actions that somebody who is entitled takes often: accept, decline, reply, transfer, close, take, park, wake."""
PRESENCE = ("available", "available", "away", "draining", "offline")


def conversation(world: World, a: int) -> str:
    names = sorted(world.state.conversations, key=lambda n: (len(n), n))
    return names[a % len(names)] if names else "c0"


def person(world: World, a: int) -> str:
    names = sorted([*world.state.people, *world.people])
    return names[a % len(names)] if names else "p0"


def later(world: World, kind: int, a: int, b: int) -> i.Action:
    """What the desk asks for beside answering."""
    name = conversation(world, a)
    match kind:
        case 17:
            return i.Dial(conversation=name) if b % 3 else i.HangUp(conversation=name)
        case 18 | 19:
            return i.Park(conversation=name, until=world.now + 500 * b if b % 3 else 0)
        case 20:
            return i.Wake(conversation=name)
        case 21:
            content = world.envelope("x").content
            return i.Resend(conversation=name, outbound=f"{name}-{b}", anyway=b % 2 == 0, content=content)
        case 22:
            return i.Transfer(conversation=name, queue=("bills", "all", "none")[b % 3])
        case 23:
            return i.AddNote(conversation=name, content=world.envelope("x").content, whisper=True)
        case 24:
            return i.MarkUnread(conversation=name, upto=b)
        case 25:
            return i.SaveAnswer(title="t", texts={"en": TEXTS[b % 4]}, personal=b % 2 == 0, shortcut=f"s{b % 3}")
        case _:
            answers = [*world.state.answers, "a0"]
            return i.DeleteAnswer(answer=answers[b % len(answers)])


def action(world: World, kind: int, a: int, b: int) -> i.Action:  # noqa: PLR0912  # one branch per action
    name = conversation(world, a)
    one = world.state.conversations.get(name)
    offer = one.offers[0].id if one is not None and one.offers else f"{name}-o{b}"
    match kind:
        case 0 | 1:
            return i.Accept(conversation=name, offer=offer)
        case 2:
            return i.Decline(conversation=name, offer=offer)
        case 3 | 4 | 5:
            again = f"{name}-{b}" if b % 5 == 4 else None
            return i.Reply(
                conversation=name, content=world.envelope("x").content, seen=b, anyway=b % 2 == 0, again=again
            )
        case 6:
            return i.AddNote(conversation=name, content=world.envelope("x").content)
        case 7:
            return i.Transfer(conversation=name, operator=NAMES[b % 4], note="please" if b % 2 else "")
        case 8:
            return i.Transfer(conversation=name, skills={"tech": 1 + b % 5})
        case 9 | 10:
            return i.Close(conversation=name)
        case 11:
            return i.Reopen(conversation=name, person=one.person if one is not None else person(world, b))
        case 12:
            return i.Take(conversation=name, operator=NAMES[b % 4], force=b % 3 == 0, reason="why" if b % 2 else "")
        case 13:
            return i.Release(conversation=name)
        case 14:
            return i.MarkRead(conversation=name, upto=b)
        case 15:
            return i.Link(person=person(world, a), other=person(world, b), evidence="same phone")
        case 16:
            known = world.state.people.get(person(world, a))
            address = known.addresses[b % len(known.addresses)] if known is not None else "visitor:0"
            return i.Unlink(person=person(world, a), address=address, evidence="not them")
        case _ if 17 <= kind <= 26:
            return later(world, kind, a, b)
        case _:
            return i.SetPresence(state=PRESENCE[b % 5])


def entitled(world: World, name: str) -> str:
    """Somebody who may act: who is asked, who owns it, or the supervisor."""
    one = world.state.conversations.get(name)
    if one is None or one.status == "closed":
        return "anna"
    return one.offers[0].operator if one.offers else one.owner or "anna"


def news(world: World, a: int, b: int, c: int) -> None:
    """A receipt of something that was sent, mostly by the channel that sent it."""
    sent = [(one, out) for one in world.state.conversations.values() for out in sorted(one.outbounds)]
    if sent:
        one, outbound = sent[a % len(sent)]
        channel = "foreign" if b == 0 else one.channels[outbound]
        world.receipt(outbound, list(ReceiptState)[c % len(ReceiptState)], channel, watermark=b % 3 == 0)


def telephone(world: World, kind: int, a: int, b: int, c: int) -> None:
    """News of a call: mostly of a few that live, from two numbers, one of them linked with a chat sometimes."""
    number = f"+4812345678{a % 2}"
    name = f"x{a % 2}{b % 3}"
    event = (CALL_EVENTS if kind < 35 else LATE_EVENTS)[c % (9 if kind < 35 else 5)]
    direction = "out" if b % 5 == 4 else "in"
    to = PHONES[(a + b + c) % 5] if event in ("answered", "transferred") or direction == "out" else ""
    q850 = 26 if c == 11 else 0
    world.call(number, event, name, direction=direction, to=to, q850=q850)


def work(world: World, kind: int, a: int, b: int, c: int) -> None:
    """Events in which people do what they are entitled to, while their desk nodes stay alive."""
    for node in list(world.state.nodes):
        world.feed(i.DeskAlive(node=node))
    match kind:
        case 21 | 22 | 23 | 24 | 25:
            name = conversation(world, a)
            world.order(entitled(world, name), action(world, ACTS[b], a, c))
        case 26 | 27:
            news(world, a, b, c)
        case 28:
            for name in NAMES[:3]:
                world.feed(i.OperatorUp(operator=name, node="n0"))
                world.order(name, i.SetPresence(state="available"))
        case 32 | 33 | 34 | 35:
            telephone(world, kind, a, b, c)
        case 31:
            world.feed(i.OperatorIdle(operator=NAMES[a % 4], node=f"n{b % 2}", idle=c % 3 != 0))
        case 30 if b == 0:
            world.tick(49 * 3_600_000)
        case 30 if b < 4:  # the bus's clock was ahead
            world.tick((-49 * 3_600_000, -3_600_000, -6_000)[b - 1])
        case 29:
            for number in range(66 if a < 3 else 2):
                world.write("0", "more", native_id=f"{world.seq}-{number}")
        case _:
            world.tick(0)


def happen(world: World, event: tuple[int, int, int, int, int]) -> None:  # noqa: PLR0912  # one branch per event
    kind, a, b, c, gap = event
    world.now += GAPS[gap]
    match kind:
        case 0 | 1 | 2 | 3:
            lang = (None, language("pl"), language("en"), language("de", 0.5))[c % 4]
            world.write(str(a % 5), TEXTS[b % 4], channel=CHANNEL_NAMES[c % 4], language=lang)
        case 4:
            world.write(str(a % 5), "again", native_id=f"dup{b % 2}", automatic=c % 3 == 0)
        case 5:
            world.write(str(a % 5), Rating(score=b) if b % 2 else Reaction(target="n1", emoji="x"))
        case 6 | 7 | 8 | 9 | 10 | 11:
            world.order(NAMES[c % 4], action(world, (a * 7 + b) % 28, a, b))
        case 12:
            world.order(NAMES[c % 4], action(world, a % 28, a, b), expires=world.now - 1)
        case 13:
            world.order(
                NAMES[c % 4],
                i.AddNote(conversation=conversation(world, a), content=world.envelope("x").content),
                id="again",
            )
        case 14 | 15:
            world.feed(i.OperatorUp(operator=NAMES[a % 4], node=f"n{b % 2}"))
            if c % 3:
                world.order(NAMES[a % 4], i.SetPresence(state="available"))
        case 16:
            world.feed(i.OperatorLost(operator=NAMES[a % 4], node=f"n{b % 2}"))
        case 17:
            world.feed(i.DeskAlive(node=f"n{b % 2}"))
        case 18:
            world.propose((FIRST, SECOND, WRONG)[a % 3])
        case 19:
            states = list(ReceiptState)
            name = conversation(world, a)
            world.receipt(f"{name}-{b}", states[c % len(states)], watermark=a % 2 == 0)
        case 20:
            world.feed(Undecodable("not JSON"))
        case _:
            work(world, kind, a, b, c)


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 35), st.integers(0, 18), st.integers(0, 17), st.integers(0, 12), st.integers(0, len(GAPS) - 1)
    ),
    min_size=25,
    max_size=90,
)
MODEST = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def play(events: list[tuple[int, int, int, int, int]], world: World | None = None) -> World:
    world = world or World(FIRST)
    world.up("anna", "ben")
    world.up("cleo", node="n0")
    for event in events:
        happen(world, event)
    return world


@given(EVENTS)
@MODEST
def test_invariants_hold_and_followers_agree_whatever_happens(events: list[tuple[int, int, int, int, int]]) -> None:
    world = play(events)

    poison = {fact.error for r in world.records() for fact in r.facts if isinstance(fact, InputRefused)}
    assert poison <= {"not JSON", "BadRules"}, world.machine.failure
    commands = {value.id for _, _, value, _ in world.inputs if isinstance(value, i.Command)}
    answered = [record.ref for record in world.records() if record.ref in commands]
    assert len(answered) == len(set(answered)) or "again" in answered, "a command gets one record"
    known = {r.ref for r in world.records()}
    assert commands <= known, "every command gets a record"
    taken = [
        (fact.envelope.address, fact.envelope.channel, fact.envelope.native_id)
        for record in world.records()
        for fact in record.facts
        if isinstance(fact, MessageTaken)
    ]
    assert len(taken) == len(set(taken)), "nothing is taken in twice"


@given(EVENTS, st.integers(0, 10_000))
@settings(MODEST, max_examples=60)
def test_a_crash_at_any_record_changes_no_decision(events: list[tuple[int, int, int, int, int]], at: int) -> None:
    world = play(events)
    boundary = at % (len(world.payloads) + 1)
    assert world.replay_from(boundary) == world.payloads[boundary:]


@given(EVENTS, st.integers(1, 20))
@settings(MODEST, max_examples=60)
def test_breaking_off_between_steps_changes_no_decision(
    events: list[tuple[int, int, int, int, int]], every: int
) -> None:
    world = play(events)
    payloads, machine = world.replay_with_pauses(every)
    assert payloads == world.payloads
    assert state_hash(machine.state) == state_hash(world.state)
    assert machine.next_due == world.machine.next_due


@given(EVENTS)
@settings(MODEST, max_examples=30)
def test_the_same_inputs_give_the_same_bytes(events: list[tuple[int, int, int, int, int]]) -> None:
    assert play(events).payloads == play(events).payloads


def half(change: Change, fact: NoteAdded) -> None:
    change.set(change.state.conversations[fact.conversation], "n", fact.n + 100)
    change.put(change.state.timers, "say:c1", 1)
    raise RuntimeError("half done")


@given(EVENTS)
@settings(MODEST, max_examples=40)
def test_a_fold_that_fails_half_way_leaves_no_trace(events: list[tuple[int, int, int, int, int]]) -> None:
    world = play(events, World(FIRST, folds={**FOLDS, NoteAdded: half}))
    for record in world.records():
        assert not any(isinstance(fact, NoteAdded) for fact in record.facts)
        if any(isinstance(fact, InputRefused | CommandRefused) for fact in record.facts):
            assert len(record.facts) == 1
            assert not record.loaded
