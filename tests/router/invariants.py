"""The invariants I1 to I12 of routing, checked after every record and after every event.

``before`` is the state as a follower has it before the record, ``after`` the same with the record folded.
"""

from collections import Counter

from normalizer.content import Call
from router import facts as f
from router.matching import absence, key_of, mismatch, need_of, obstacle, place_of, understaffed
from router.people import Conversation
from router.phone import is_missed, ringing_call
from router.policy import Policy
from router.record import Entry, Record
from router.state import State


def copy(state: State) -> State:
    from router.snapshot import decode_state, encode_state  # noqa: PLC0415  # keeps the list above to what is checked

    return decode_state(encode_state(state))


def check_record(before: State, entry: Entry, record: Record, after: State) -> None:
    policy = Policy(after.rules)
    _check_identity(before, record)
    _check_line(entry, record)
    for fact in record.facts:
        if isinstance(fact, f.Offered):
            _check_offer(before, record, after, policy, fact)
        elif isinstance(fact, f.ConversationQueued):
            _check_age(before, record, fact)
        elif isinstance(fact, f.ReplySent) and fact.wish:
            _check_wish(before, record, after, fact)
        elif isinstance(fact, f.ReplySent):
            conversation = after.conversations[fact.conversation]
            assert after.addresses[fact.outbound.address].person == conversation.person, "P7: the address is theirs"
    _check_epochs(before, record, after)
    check_books(after)


def _check_identity(before: State, record: Record) -> None:
    back = any(isinstance(fact, f.ClockSetBack) for fact in record.facts)
    assert (record.now < before.now) == back, "time runs backwards only where the bus's clock was set back"
    if record.cause == "input":
        assert record.step == 0
        assert record.input > before.input
    else:
        assert (record.input, record.step) > (before.input, before.step)
    if record.cause == "timer":  # I11
        assert record.ref in before.timers, "a timer fires once"
        assert before.timers[record.ref] <= record.now, "a timer is never early"


def _check_line(entry: Entry, record: Record) -> None:
    named = {fact.conversation for fact in record.facts if isinstance(getattr(fact, "conversation", None), str)}
    named.discard("")
    if any(isinstance(fact, f.PersonMerged) for fact in record.facts):
        return
    assert named <= {entry.line}, "a step touches one line"
    sent = [fact for fact in record.facts if isinstance(fact, f.ReplySent)]
    assert len(sent) <= 1
    assert entry.channel == (sent[0].outbound.channel if sent else None)
    assert len(record.loaded) <= 2


def _check_offer(before: State, record: Record, after: State, policy: Policy, fact: f.Offered) -> None:
    rule, operator = policy.rules.operators[fact.operator], after.operators[fact.operator]
    conversation = after.conversations[fact.conversation]
    assert absence(operator) is None, "I2: nobody who is away"
    assert operator.load <= rule.units, "I1: never over capacity"
    assert fact.offer == f"{fact.conversation}-o{fact.epoch}"
    assert conversation.kind == "deferrable" or not operator.talking, "I1: nothing for who is on the phone"
    if fact.direct:
        return
    assert mismatch(policy, fact.operator, rule, need_of(conversation)) is None, "I2: qualified"
    assert record.why is not None, "I9: explained"
    assert record.why.chosen is not None
    assert record.why.chosen.operator == fact.operator
    assert tuple(record.why.chosen.key)[-1] == fact.operator
    for name, older in before.conversations.items():  # I3
        rival = older.status == "waiting" and name != fact.conversation and older.tier == conversation.tier
        if rival and place_of(older) < place_of(conversation):
            blocked = obstacle(before, policy, older, fact.operator)
            assert blocked is not None, f"I3: {name} is older than {fact.conversation} and could have been taken"
    if record.why.policy != "first_in_queue" and conversation.id in before.conversations:
        _check_best(before, record, policy, before.conversations[conversation.id])


def _check_best(before: State, record: Record, policy: Policy, conversation: Conversation) -> None:
    """I9: derive the choice again, where the conversation waited already and nothing else happened."""
    assert record.why is not None
    assert record.why.chosen is not None
    if conversation.status != "waiting" or record.cause != "todo" or record.why.note:
        return
    names = policy.rules.operators
    able = [n for n in names if obstacle(before, policy, conversation, n) is None]
    best = min(key_of(before, policy, conversation, n, record.now) for n in able)
    assert tuple(record.why.chosen.key) == best


def _check_age(before: State, record: Record, fact: f.ConversationQueued) -> None:
    known = before.conversations.get(fact.conversation)
    bound = before.rules.times.boost_max
    assert fact.enqueued_at - bound <= fact.v <= fact.enqueued_at, "I4: boosts are bounded"
    queued = [one for one in record.facts if isinstance(one, f.ConversationQueued)]
    if known is None or queued[0].reason in ("new", "reopened", "undelivered"):
        return
    slept = record.now if known.parked_at else known.woken_at
    if slept > known.enqueued_at:
        assert fact.enqueued_at == slept, "I7: who was put aside has not waited meanwhile"
        assert fact.tier == known.tier
        return
    assert fact.enqueued_at == known.enqueued_at, "I7: the age is kept"
    assert (fact.tier, fact.seq) == (known.tier, known.seq)
    assert fact.v <= known.v
    if fact.reason not in ("transferred", "rules", "call", "missed"):
        assert fact.steps == known.steps, "I7: deadlines are kept"
        assert fact.step >= known.step


def _check_wish(before: State, record: Record, after: State, fact: f.ReplySent) -> None:
    """One phone rings at a time for a call: that of the operator who is asked, or was given it."""
    conversation, content = after.conversations[fact.conversation], fact.outbound.content
    assert isinstance(content, Call)
    if content.event != "ringing":
        assert fact.by, "only operators call and hang up"
        return
    if not content.to:
        assert not conversation.offers, "no phone rings for nobody"
        return
    offers = [running for running in conversation.offers if running.ring == fact.outbound.id]
    asked = offers[0].operator if offers else conversation.owner
    assert asked is not None
    assert after.rules.operators[asked].phone == content.to
    assert conversation.calls[content.call].state in ("ringing", "answered")
    if conversation.id in before.conversations:
        standing = {running.id for running in before.conversations[conversation.id].offers}
        ended = {one.offer for one in record.facts if isinstance(one, f.OfferEnded)}
        assert standing <= ended, "the phone that rang before has been given up"


def _check_calls(state: State) -> None:
    """Who is said to be talking is; a missed call is somebody's, or waits."""
    talking: dict[str, dict[str, str]] = {name: {} for name in state.operators}
    for name, one in state.conversations.items():
        for call in one.calls.values():
            assert (f"call:{name}:{call.id}" in state.timers) == (call.state in ("ringing", "answered"))
            if call.state == "answered" and call.operator:
                talking[call.operator][call.id] = name
    assert {name: one.talking for name, one in state.operators.items()} == talking


def _check_epochs(before: State, record: Record, after: State) -> None:
    entries = Counter(
        fact.conversation for fact in record.facts if isinstance(fact, f.MessageTaken | f.ReplySent | f.NoteAdded)
    )
    for name, one in after.conversations.items():
        known = before.conversations.get(name)
        if known is not None:
            assert one.epoch >= known.epoch
            assert one.n == known.n + entries[name], "entries are numbered without holes"
            if one.owner not in (known.owner, None):
                assert one.epoch > known.epoch, "I6: a new owner, a new epoch"


def check_books(state: State) -> None:
    """I1, I6, I10: what is held, owned and offered agree from both sides."""
    holds: dict[str, dict[str, int]] = {name: {} for name in state.operators}
    parks: dict[str, dict[str, int]] = {name: {} for name in state.operators}
    for name, one in state.conversations.items():
        assert name == one.id
        assert one.person in state.people
        assert len(one.offers) <= 1, "I6: one offer at a time"
        if one.status == "assigned":
            assert one.owner is not None
            assert not one.offers
        assert (one.status == "offered") == bool(one.offers)
        assert one.status in ("open", "waiting", "offered", "assigned", "closed")
        if one.parked_at:
            assert one.status == "assigned", "only what somebody has is put aside"
            assert (one.wake_at != 0) == (f"wake:{name}" in state.timers)
            assert not {f"unanswered:{name}", f"idle:{name}"} & state.timers.keys()
        else:
            assert f"wake:{name}" not in state.timers
        if one.owner is not None:
            (parks if one.parked_at else holds)[one.owner][name] = 1
        for offer in one.offers:
            assert offer.operator != one.owner
            holds[offer.operator][name] = 1
    for name, operator in state.operators.items():
        assert set(operator.held) == set(holds[name]), f"what {name} holds"
        assert set(operator.parked) == set(parks[name]), f"what {name} has put aside"
        heavy = sum(u for c, u in operator.held.items() if state.conversations[c].kind != "deferrable")
        light = sum(u for c, u in operator.held.items() if state.conversations[c].kind == "deferrable")
        assert (operator.load, operator.deferred) == (heavy, light), f"what weighs on {name}"
        channels = Counter(state.conversations[c].channel for c in operator.held)
        assert operator.counts == channels, f"how many of each channel {name} has"
        kinds = [state.conversations[c].kind for c in operator.held]
        assert (operator.calls, operator.mails) == (kinds.count("exclusive"), kinds.count("deferrable"))
        assert bool(operator.grace_until) == (f"grace:{name}" in state.timers)
    _check_people(state)
    _check_calls(state)


def _check_people(state: State) -> None:
    for address, known in state.addresses.items():
        assert address in state.people[known.person].addresses
    mine: set[str] = set()
    for name, person in state.people.items():
        assert person.id == name
        assert all(state.addresses[a].person == name for a in person.addresses)
        names = {c for c in (*person.past, person.conversation) if c is not None}
        assert all(state.conversations[c].person == name for c in names)
        mine |= names
    assert mine == set(state.conversations)


def check_rest(state: State, *, kept: frozenset[str] = frozenset()) -> None:
    """After an event, when nothing is left to do: I5, P3, and no timer overdue."""
    policy = Policy(state.rules)
    assert not state.todo
    for name, operator in state.operators.items():
        assert name in state.rules.operators or not operator.parked, f"{name} is removed and keeps nothing"
    for name, due in state.timers.items():
        assert due > state.now or name in kept, f"{name} is overdue"
    open_of: dict[str, str] = {}
    for one in state.conversations.values():
        if one.status != "closed":
            assert one.person not in open_of, "one customer, one line"
            open_of[one.person] = one.id
            assert state.people[one.person].conversation == one.id
        assert one.status != "open"
        if one.status == "waiting":  # I5
            for operator in policy.rules.operators:
                assert obstacle(state, policy, one, operator) is not None, f"{operator} could take {one.id}"
            _check_warned(state, policy, one)
        if is_missed(one) and one.status != "closed":
            assert one.status in ("waiting", "offered", "assigned"), "a missed call is never lost"
        ringing = ringing_call(one)
        if ringing is not None and one.status != "closed":
            assert one.kind == policy.channel(ringing.channel).kind, "a call waits as one"
        attended = one.status == "assigned" and not one.parked_at
        if attended and one.kind == "interactive" and one.unanswered and policy.rules.times.unanswered:
            assert f"unanswered:{one.id}" in state.timers, f"{one.id} has to be answered"


def _check_warned(state: State, policy: Policy, one: Conversation) -> None:
    """Routing rule 9: never silent; but while a connection is broken the grace time may hide that nobody is there."""
    lack = understaffed(state, policy, one)
    if lack == "unroutable" or (lack and not any(operator.grace_until for operator in state.operators.values())):
        assert one.warned == lack, f"{one.id} waits for nobody"
