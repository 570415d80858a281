"""Contract tests for outgoing messages (promises P2, P3), whatever the provider does."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters.contract import Sent
from adapters.delivery import Done
from adapters.errors import ChannelError, OutcomeUnknown, Refused, TryLater
from adapters.pace import Gate, Pace
from adapters.testing.cases import RIGHT, SECONDS_TOLD, OutboundCase, Trouble, outbound
from adapters.testing.contents import contents
from adapters.testing.courier import Courier
from adapters.testing.hooks import Hooks
from adapters.testing.peer import Shown
from adapters.testing.rig import P, Rig, rigged
from normalizer.capabilities import Capabilities
from normalizer.content import Choice, Content, Media, Text
from normalizer.outbound import Outbound
from normalizer.plain import clean_text
from normalizer.render import CannotRender, render
from normalizer.split import MEASURES

CALLS = "call"
"""The kind that a channel takes on which people talk, and nothing can be written."""

LINK = "https://chat.example/files/f"
EXAMPLES = 8
MESSAGES = 5
SENT_WITHIN = 30.0
"""Seconds that a call may take whose right outcome is no doubt: a busy machine is no trouble."""


class OutboundProofs(Hooks[P]):
    """The tests of what goes out."""

    async def test_an_outcome_is_told_as_it_was(self, out_case: OutboundCase, rig: Rig[P]) -> None:
        """What the provider does becomes exactly one of the outcomes that the delivery policy knows."""
        rig.peer.will(*out_case.faults)
        within = None if out_case.error is OutcomeUnknown else SENT_WITHIN
        outcome = await rig.send(self._message(rig, out_case.content, address=out_case.address), within=within)
        if out_case.error is None:
            assert isinstance(outcome, Sent), f"it should have been sent: {outcome!r}"
            native_id = out_case.native_id
            assert native_id in (None, outcome.native_id), f"sent as {outcome.native_id!r}, not as {native_id!r}"
        else:
            _check_error(outcome, out_case)
        sends = "\n".join(rig.peer.sends)
        assert out_case.request in sends, f"{out_case.request!r} should stand in what reached the provider: {sends}"
        _check_words(outcome)

    @pytest.mark.parametrize("trouble", Trouble, ids=lambda trouble: trouble.name.lower())
    async def test_a_trouble_has_the_right_outcome(self, trouble: Trouble, rig: Rig[P]) -> None:
        """Not sent is not sent, unknown is unknown, and the adapter itself never tries a second time."""
        if not self.sends or trouble in self.impossible:
            return
        await self._make_trouble(trouble, rig)
        before = len(rig.peer.sends)
        within = None if TimeoutError in RIGHT[trouble] else SENT_WITHIN
        outcome = await rig.send(self._message(rig, self.hello), within=within)
        right = RIGHT[trouble]
        assert isinstance(outcome, right), f"the provider {trouble.value}: that is {_names(right)}, not {outcome!r}"
        if trouble is Trouble.PAUSE:
            assert isinstance(outcome, TryLater)
            assert outcome.retry_after == SECONDS_TOLD, (
                f"the provider asked for {SECONDS_TOLD} s: {outcome.retry_after}"
            )
        _check_words(outcome)
        attempts = rig.peer.sends[before:]
        assert len(attempts) <= 1, f"the provider {trouble.value}, and the adapter itself has tried again: {attempts}"

    async def test_asking_for_an_outcome_sends_nothing(self, rig: Rig[P]) -> None:
        """``find`` only looks; where the provider tells, it knows a message that was sent."""
        if not self.sends or Trouble.DROPS_THE_ANSWER in self.impossible:
            return
        await self._make_trouble(Trouble.DROPS_THE_ANSWER, rig)
        message = self._message(rig, self.hello)
        await rig.send(message)
        sends = list(rig.peer.sends)
        found = await rig.find(message)
        assert list(rig.peer.sends) == sends, "find() has sent the message again"
        assert not isinstance(found, TryLater), "find() says that a message was not sent which the provider has sent"

    async def test_another_conversation_is_not_kept_by_a_stuck_one(self, rig: Rig[P]) -> None:
        """Promise P3, by the delivery policy itself: order in each conversation, no waiting for another one."""
        if not self.sends or Trouble.FAILS in self.impossible:
            return
        await self._make_trouble(Trouble.FAILS, rig)
        courier = self._courier(rig)
        stuck, free = self._messages(rig, self.address, "stuck"), self._messages(rig, self.another, "free")
        await courier.deliver([message for pair in zip(stuck, free, strict=True) for message in pair])
        order = [call.outbound.id for call in courier.calls]
        for conversation in (stuck, free):
            ids = [message.id for message in conversation]
            assert sorted(set(order) & set(ids), key=order.index) == ids, f"out of order: {order}"
        assert isinstance(courier.ends[free[-1].id], Done), courier.ends
        if order.count(stuck[0].id) > 1:  # it was tried again: its pause was the other one's time
            following = order[order.index(stuck[0].id) + 1]
            assert following in [message.id for message in free], f"everything waited for a stuck message: {order}"

    async def test_the_providers_limits_are_kept(self, rig: Rig[P]) -> None:
        """The delivery policy at the adapter's pace never calls more often than the provider takes."""
        crowd = [f"{self.address}{number}" for number in range(max((limit.calls for limit in self.limits), default=0))]
        for limit in self.limits:
            addresses = [self.address] if limit.each_address else crowd
            times = _paced(rig.adapter.pace, addresses, 2 * limit.calls + 1)
            most = _most_within(times, limit.seconds)
            assert most <= limit.calls, f"{most} calls within {limit.seconds:g} s; the provider takes {limit.calls}"

    async def test_the_provider_is_asked_once_for_each_message(self, rig: Rig[P]) -> None:
        """Otherwise its limits are not kept, however slowly ``send`` is called."""
        if not self.sends:
            return
        courier = self._courier(rig)
        await courier.deliver(self._messages(rig, self.address, "c1") + self._messages(rig, self.another, "c2"))
        assert all(isinstance(end, Done) for end in courier.ends.values()), courier.ends
        assert len(rig.peer.sends) == 2 * MESSAGES, f"{2 * MESSAGES} messages were {len(rig.peer.sends)} sends"

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each example is a channel of its own: no time to shrink
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.differing_executors],
    )
    @given(data=st.data())
    async def test_nothing_is_more_than_the_channel_declares(self, data: st.DataObject) -> None:
        """Whatever an operator writes: no text longer, no file bigger, no button more; and nothing of it is lost.

        A channel of calls declares that nothing can be written there, and must refuse it.
        """
        if not self.sends:
            return
        async with rigged(self.make, self.peer()) as rig:
            await self.ready(rig)
            drawn = data.draw(contents(rig.adapter.capabilities, rig.context.files))
            for number, content in enumerate(drawn, start=1):
                await self._prove_within_limits(rig, content, f"c1-{number}")

    # --- steps ---

    async def _prove_within_limits(self, rig: Rig[P], content: Content, message_id: str) -> None:
        capabilities = rig.adapter.capabilities
        try:
            pieces = render(content, capabilities, link=lambda _media: LINK)
        except CannotRender:
            return
        for number, piece in enumerate(pieces, start=1):
            before = len(self.shown(rig))
            outcome = await rig.send(self._message(rig, piece, f"{message_id}{number:02}"), within=SENT_WITHIN)
            if CALLS in capabilities.kinds:
                assert isinstance(outcome, Refused), f"on a channel of calls {piece!r} was not refused: {outcome!r}"
                continue
            assert isinstance(outcome, Sent), f"{piece!r} could not be sent: {outcome!r}"
            _check_shown(piece, self.shown(rig)[before:], capabilities)

    async def _make_trouble(self, trouble: Trouble, rig: Rig[P]) -> None:
        assert trouble in self.troubles, (
            f"the class must say how its provider {trouble.value}: in `troubles`, or why it cannot, in `impossible`"
        )
        if trouble is Trouble.IS_DOWN:
            await rig.peer.go_down()
        else:
            rig.peer.will(self.troubles[trouble])

    def _courier(self, rig: Rig[P]) -> Courier:
        return Courier(rig.adapter.pace, rig.context, lambda message: rig.send(message, within=SENT_WITHIN), rig.find)

    def _message(self, rig: Rig[P], content: Content, message_id: str = "c1-1", address: str = "") -> Outbound:
        return outbound(
            address or self.address, rig.context.channel, content, message_id=message_id, at=rig.context.now()
        )

    def _messages(self, rig: Rig[P], address: str, conversation: str) -> list[Outbound]:
        """Give some messages of a conversation, which say who they are if anything can be said."""
        names = [f"{conversation}-{number}" for number in range(1, MESSAGES + 1)]
        writes = CALLS not in rig.adapter.capabilities.kinds
        return [
            self._message(rig, Text(text=f"This is {name}") if writes else self.hello, name, address) for name in names
        ]


def _check_error(outcome: Sent | Exception, case: OutboundCase) -> None:
    assert case.error is not None
    assert type(outcome) is case.error, f"it should have been {case.error.__name__}, not {outcome!r}"
    assert isinstance(outcome, ChannelError)
    assert outcome.code == case.code, f"its code should be {case.code!r}, not {outcome.code!r}: {outcome}"
    if case.retry_after is not None:
        pause = outcome.retry_after if isinstance(outcome, TryLater) else None
        assert pause == case.retry_after, f"its pause should be {case.retry_after} s, not {pause}"


def _check_words(outcome: object) -> None:
    """Look whether an error has a stable code and a sentence for a person."""
    if isinstance(outcome, ChannelError):
        code = outcome.code
        assert code.isascii(), f"a code is for programs: ASCII, not {code!r}"
        assert code, "an error needs a code"
        assert " " not in code, f"a code is one word, not {code!r}"
        assert " " in outcome.message, f"an operator reads the message: write a sentence, not {outcome.message!r}"


def _check_shown(piece: Content, shown: Sequence[Shown], can: Capabilities) -> None:
    """Compare what the customer got for one piece with what the channel declares, and with what was written."""
    measure = MEASURES[can.unit]
    assert shown, f"nothing reached the provider for {piece!r}"
    for message in shown:
        assert message.to, "a message reached the provider without a recipient"
        captions = [can.max_caption(type_) for type_, _ in message.files]
        limit = min(captions) if captions and not can.attachments else can.text_limit
        length = measure(message.text)
        assert length <= limit or not message.text, f"a text of {length} {can.unit.value}; the channel declares {limit}"
        assert len(message.buttons) <= can.buttons, f"{len(message.buttons)} buttons; declared are {can.buttons}"
        for label in message.buttons:
            assert measure(label) <= can.button_limit, f"a button of {measure(label)}; declared is {can.button_limit}"
        for type_, size in message.files:
            assert size <= can.max_file_size(type_), f"{type_} of {size} bytes; declared is {can.max_file_size(type_)}"
    _check_whole(piece, shown)


def _check_whole(piece: Content, shown: Sequence[Shown]) -> None:
    text = ""
    labels: tuple[str, ...] = ()
    files: tuple[Media, ...] = ()
    match piece:
        case Text():
            text, files = piece.text, piece.attachments
        case Media():
            text, files = piece.caption, (piece,)
        case Choice():
            text, labels = piece.text, tuple(option.label for option in piece.options)
    got = _dense("".join(message.text for message in shown))
    assert _dense(text) in got, f"of the text {text!r} the customer got {[message.text for message in shown]}"
    pressed = [label for message in shown for label in message.buttons]
    assert pressed == list(labels), f"of the buttons {list(labels)} the customer got {pressed}"
    assert sum(len(message.files) for message in shown) == len(files), "a file did not reach the provider"


def _dense(text: str) -> str:
    """Leave out what a channel may lay out anew, and control characters, which say nothing to anybody."""
    return "".join(clean_text(text).split())


def _paced(pace: Pace, addresses: Sequence[str], count: int) -> list[int]:
    """Give the times at which the delivery policy lets calls through, the addresses taking turns."""
    gate, now, times = Gate(pace), 0, []
    for number in range(count):
        address = addresses[number % len(addresses)]
        now = max(now, gate.address_opens(address, now), gate.channel_opens(now))
        gate.enter(address, now)
        times.append(now)
    return times


def _most_within(times: Sequence[int], seconds: float) -> int:
    """Give the greatest number of calls in any window of time."""
    return max(sum(start <= time < start + seconds * 1_000 for time in times) for start in times)


def _names(right: Sequence[type[Exception | Sent]]) -> str:
    return " or ".join(kind.__name__ for kind in right)
