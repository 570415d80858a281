"""Tokens, signals, and the rule that nobody's mail enters another customer's line."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.email import subjects, tokens
from adapters.email.mapping import is_automatic, to_envelope
from adapters.email.parse import parse_mail
from adapters.email.threads import thread
from adapters.email.wire import ChannelData, Known, Ours, ParsedMail, Stored, Threading

OURS = Ours(mailboxes=("support@shop.example", "sales@shop.example"), key=b"k" * 32)
AT = 1_762_160_400_000
TOKEN = tokens.issue("c48-7", "anna@b.example", AT, OURS)
OTHERS = tokens.issue("c99-1", "bob@b.example", AT, OURS)
MINE = Known(address="email:anna@b.example", id="n1")
FOREIGN = Known(address="email:bob@b.example", id="n2", conversation="c99")


def mail(*header: str, text: str = "Hello") -> ParsedMail:
    raw = "\n".join(("From: Anna@b.example", *header, "", text)).encode()
    return parse_mail(raw, now_ms=AT, ours=OURS)


@pytest.mark.parametrize(
    ("header", "text", "signal"),
    [
        (f"To: support+{TOKEN}@shop.example", "", "reply_address"),
        (f"To: SUPPORT+{TOKEN.upper()}@SHOP.EXAMPLE", "", "reply_address"),
        (f"Cc: support+{TOKEN}@shop.example", "", "reply_address"),
        (f"Delivered-To: support+{TOKEN}@shop.example", "", "reply_address"),
        (f"X-Original-To: support+{TOKEN}@shop.example", "", "reply_address"),
        (f"In-Reply-To: <{TOKEN}@shop.example>", "", "in_reply_to"),
        (f"In-Reply-To: your message <x@y> and <{TOKEN}@shop.example>", "", "in_reply_to"),
        (f"References: <{TOKEN}@shop.example> <x@y>", "", "references"),
        (f"Subject: Re: Order [#{TOKEN}]", "", "subject_token"),
        ("Subject: Re: Order", f"Thanks\n> ##- above -## [#{TOKEN}]", "body_token"),
    ],
)
def test_a_token_leads_back_without_any_table(header: str, text: str, signal: str) -> None:
    assert thread(mail(header, text=text), {}, OURS) == Threading(thread="c48", signal=signal, answers="c48-7")  # type: ignore[arg-type]  # one of the literals


def test_an_id_that_is_remembered_leads_back() -> None:
    found = thread(mail("In-Reply-To: <x@relay.example>"), {"<x@relay.example>": MINE}, OURS)
    assert found == Threading(thread="<x@relay.example>", signal="in_reply_to", answers="n1")


def test_references_are_looked_at_from_the_last_to_the_first() -> None:
    one = mail("References: <1@x> <2@x> <3@x>")
    assert one.mentioned == ("<3@x>", "<2@x>", "<1@x>")
    known = {"<1@x>": MINE, "<2@x>": Known(address=MINE.address, id="n3", conversation="c1")}
    assert thread(one, known, OURS) == Threading(thread="c1", signal="references", answers="n3")


@pytest.mark.parametrize("header", ["In-Reply-To:", "In-Reply-To: <>", "References: (none)", "In-Reply-To: nothing"])
def test_an_empty_id_answers_nothing(header: str) -> None:
    assert thread(mail(header), {"": MINE, "<>": MINE}, OURS) == Threading()


def test_a_signal_to_somebody_elses_line_has_no_effect_and_is_shown() -> None:
    one = mail("In-Reply-To: <x@y>", "Subject: Re: Order")
    found = thread(one, {"<x@y>": FOREIGN}, OURS)
    assert found.foreign
    envelope = to_envelope(one, found, Stored(), channel="mail", new_id="1")
    assert envelope.address == "email:anna@b.example"
    assert envelope.reply_to is None
    assert envelope.attributes["other_thread"] == "c99"
    assert envelope.attributes["other_thread_reason"] == (
        "In-Reply-To names our message, but that went to somebody else"
    )
    assert "thread" not in envelope.attributes


def test_a_token_of_somebody_else_has_no_effect() -> None:
    found = thread(mail(f"To: support+{OTHERS}@shop.example", f"In-Reply-To: <{OTHERS}@shop.example>"), {}, OURS)
    assert (found.foreign, found.thread) == (True, "c99")


def test_a_signal_to_the_own_line_wins_over_a_surer_foreign_one() -> None:
    found = thread(mail(f"To: support+{OTHERS}@shop.example", "References: <x@y>"), {"<x@y>": MINE}, OURS)
    assert found == Threading(thread="<x@y>", signal="references", answers="n1")


def test_a_subject_alone_answers_nothing() -> None:
    assert thread(mail("Subject: Re: Order"), {}, OURS) == Threading()


def test_a_mail_of_nobody_answers_nothing() -> None:
    nobody = parse_mail(f"In-Reply-To: <{TOKEN}@x>\n\nx".encode(), now_ms=0, ours=OURS)
    assert thread(nobody, {}, OURS) == Threading()


def test_the_envelope_says_which_conversation_and_why() -> None:
    one = mail(
        f"To: support+{TOKEN}@shop.example",
        "Cc: Bob <bob@b.example>",
        "Message-ID: <new@b.example>",
        "Subject: Re: Order",
        *("References: <1@x>", " <2@x>"),
    )
    envelope = to_envelope(one, thread(one, {}, OURS), Stored(), channel="mail", new_id="1")
    assert envelope.reply_to == "c48-7"
    assert envelope.attributes == {
        "mailbox": "support@shop.example",
        "verified": "no",
        "copies": f"support+{TOKEN}@shop.example, bob@b.example",
        "thread": "c48",
        "thread_reason": "it was sent to the reply address of our message",
    }
    assert msgspec.json.decode(bytes(envelope.channel_data), type=ChannelData) == ChannelData(
        to="Anna@b.example",
        message_id="<new@b.example>",
        references=("<1@x>", "<2@x>"),
        subject="Re: Order",
        mailbox="support@shop.example",
    )


def test_in_reply_to_stands_in_for_missing_references() -> None:
    one = mail("In-Reply-To: <1@x>")
    envelope = to_envelope(one, Threading(), Stored(), channel="mail", new_id="1")
    assert msgspec.json.decode(bytes(envelope.channel_data), type=ChannelData).references == ("<1@x>",)


@pytest.mark.parametrize("length", [5, 450])
def test_what_is_left_for_the_answer_stays_small(length: int) -> None:
    ids = [f"<{n:0{length}}@x>" for n in range(50)]
    one = mail("References: " + "\n ".join(ids), "Subject: " + '"' * 900)
    envelope = to_envelope(one, Threading(), Stored(), channel="mail", new_id="1")
    data = msgspec.json.decode(bytes(envelope.channel_data), type=ChannelData)
    assert len(bytes(envelope.channel_data)) <= 7_500
    assert (data.references[0], data.references[-1]) == (ids[0], one.references[-1])
    assert len(data.references) <= 20


@pytest.mark.parametrize(
    ("header", "answered", "automatic"),
    [
        ("Auto-Submitted: auto-replied", True, True),
        ("Auto-Submitted: auto-replied", False, True),
        ("X-Auto-Response-Suppress: All", True, False),
        ("X-Auto-Response-Suppress: All", False, True),
        ("List-Id: <x.y>", True, False),
    ],
)
def test_weak_signs_of_a_machine_count_for_nothing_in_an_answer(header: str, answered: bool, automatic: bool) -> None:  # noqa: FBT001  # table
    one = mail(header, f"To: support+{TOKEN if answered else 'x'}@shop.example")
    assert is_automatic(one, thread(one, {}, OURS)) is automatic


# --- tokens ---


@given(
    st.from_regex(r"c[0-9]{1,12}-[0-9]{1,6}(~[0-9]{1,3})?", fullmatch=True),
    st.emails(),
    st.integers(1_000_000_000_000, 9_999_999_999_999),
)
def test_a_token_says_what_it_was_made_for_in_any_case(outbound: str, address: str, at: int) -> None:
    token = tokens.issue(outbound, address, at, OURS)
    (found,) = tokens.find(f"x+{token.upper()}@y", OURS)
    assert (found.outbound, found.conversation) == (outbound, outbound.rpartition("-")[0])
    assert found.was_for(address, OURS)
    assert not found.was_for("x" + address, OURS)


@pytest.mark.parametrize("position", range(len(TOKEN)))
def test_a_token_that_was_changed_is_none(position: int) -> None:
    other = "a" if TOKEN[position] != "a" else "b"
    assert list(tokens.find(TOKEN[:position] + other + TOKEN[position + 1 :], OURS)) == []


def test_a_token_of_another_workspace_is_none() -> None:
    assert list(tokens.find(TOKEN, Ours(mailboxes=(), key=b"x" * 32))) == []


def test_an_id_that_could_not_be_read_back_is_refused() -> None:
    with pytest.raises(ValueError, match="none of ours"):
        tokens.issue("C1 2", "a@b", 0, OURS)


# --- subjects ---


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Re: Order", "Order"),
        ("RE[2]: AW: Re: Order", "Order"),
        ("Отв: Заказ", "Заказ"),
        ("Odp: ODP: Zamówienie", "Zamówienie"),
        ("SV: VS: Antw: Order", "Order"),
        ("Re^3: Order", "Order"),
        ("Re：Order", "Order"),  # noqa: RUF001  # the full-width colon of Chinese programs
        ("[EXTERNAL] Re: Order [#c1-2-abc]", "Order"),
        ("Fwd: Re: Order", "Fwd: Re: Order"),
        ("WG: Order", "WG: Order"),
        ("Order:  15", "Order:  15"),
        ("Note: Re: x", "Note: Re: x"),
        ("", ""),
        ("Re:", ""),
    ],
)
def test_prefixes_of_programs_are_taken_off(subject: str, base: str) -> None:
    assert subjects.base(subject) == base


@pytest.mark.parametrize(
    ("subject", "forward"),
    [("Fwd: x", True), ("WG: x", True), ("[EXTERNAL] FW: x", True), ("Re: Fwd: x", False), ("Forward: x", False)],
)
def test_what_is_passed_on_is_told_by_the_outermost_prefix(subject: str, forward: bool) -> None:  # noqa: FBT001  # table
    assert subjects.is_forward(subject) is forward
