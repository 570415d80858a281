# ruff: noqa: RUF001 - Russian and Ukrainian letters look like Latin ones
"""What is cut of a text, and what never is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.email.bodies import quoted_text, unflow
from adapters.email.phrases import FIELDS, FORWARDED, ORIGINAL, REPLY_ABOVE, SENT_FROM, WROTE
from adapters.email.quotes import trim

QUOTE = "\n> Has it arrived?\n> Bob"


@pytest.mark.parametrize(
    "above",
    [
        "On Mon, 3 Nov 2025 at 09:12, Bob <bob@shop.example> wrote:",
        "On 11/3/25 9:12 AM, Bob wrote:",
        "On Mon, 3 Nov 2025 at 09:12, Bob of the Shop of Many Things <\nbob@shop.example> wrote:",
        "Am 03.11.2025 um 09:12 schrieb Bob:",
        "Am Mo., 3. Nov. 2025 um 09:12 Uhr schrieb Bob <\nbob@shop.example>:",
        "пн, 3 нояб. 2025 г. в 09:12, Bob <bob@shop.example>:",
        "Понедельник, 3 ноября 2025, 9:12 +03:00 от Bob <bob@shop.example>:",
        '03.11.2025, 09:12, "Bob" <bob@shop.example>:',
        "03.11.2025 9:12, Bob пишет:",
        "3 нояб. 2025 г., в 9:12, Bob <bob@shop.example> написал(а):",
        "пн, 3 лист. 2025 р. о 09:12 Bob <bob@shop.example> пише:",
        "3 лист. 2025 р. о 09:12 Bob написав(-ла):",
        "pon., 3 lis 2025 o 09:12 Bob <bob@shop.example> napisał(a):",
        "W dniu 3.11.2025 o 09:12, Bob pisze:",
        "Dnia 3 listopada 2025 09:12 Bob <bob@shop.example> napisał(a):",
        "W dniu 2025-11-03 09:12:33 użytkownik Bob <bob@shop.example> napisał:",
        "Wiadomość napisana przez Bob <bob@shop.example> w dniu 3 lis 2025, o godz. 09:12:",
        "Le lun. 3 nov. 2025 à 09:12, Bob <bob@shop.example> a écrit :",
        "El lun, 3 nov 2025 a las 9:12, Bob (<bob@shop.example>) escribió:",
        "Il giorno lun 3 nov 2025 alle ore 09:12 Bob <bob@shop.example> ha scritto:",
        "Op ma 3 nov 2025 om 09:12 schreef Bob <bob@shop.example>:",
        "po 3. 11. 2025 v 9:12 odesílatel Bob <bob@shop.example> napsal:",
        "Den mån 3 nov. 2025 kl 09:12 skrev Bob <bob@shop.example>:",
    ],
)
def test_the_words_above_a_quote_go_with_it(above: str) -> None:
    assert trim(f"No.\n\n{above}\n{QUOTE}") == "No."
    assert trim(f"No.\n\n{above}\n\n##- Reply above -##\nHas it?") == "No."


@pytest.mark.parametrize("words", sorted(ORIGINAL))
def test_everything_below_the_original_message_goes(words: str) -> None:
    assert trim(f"No.\n\n-----{words.title()}-----\nHas it?") == "No."
    assert trim(f"No.\n\n-------- {words} --------\nHas it?") == "No."
    assert words.title() in trim(f"No.\n\n{words.title()}\nHas it?")


@pytest.mark.parametrize("words", sorted(FORWARDED))
def test_what_is_passed_on_stays(words: str) -> None:
    text = f"See.\n\n---------- {words} ---------\nFrom: X <x@y.z>\nDate: 3 Nov\nSubject: Bill\n\nPay.\n-- \nX"
    assert trim(text) == text


def test_what_is_passed_on_by_the_subject_stays() -> None:
    text = "See.\n\nFrom: X <x@y.z>\nSent: 3 Nov\nSubject: Bill\n\nPay."
    assert trim(text) == "See."
    assert trim(text, forwarded=True) == text


@pytest.mark.parametrize(
    ("sender", "date", "to", "subject"),
    [
        ("From", "Sent", "To", "Subject"),
        ("Von", "Gesendet", "An", "Betreff"),
        ("От", "Отправлено", "Кому", "Тема"),
        ("От кого", "Дата", "Кому", "Тема"),
        ("Від", "Надіслано", "Кому", "Тема"),
        ("Від", "Дата", "Кому", "Тема"),
        ("Od", "Wysłano", "Do", "Temat"),
        ("*From", "*Date", "*To", "*Subject"),
        ("De", "Envoyé", "À", "Objet"),
    ],
)
def test_a_copied_header_goes_with_what_is_below(sender: str, date: str, to: str, subject: str) -> None:
    copied = f"{sender}: Bob\n{date}: Monday, 3 November\n{to}: Anna\n{subject}: Order"
    assert trim(f"No.\n\n{copied}\n\nHas it?") == "No."
    assert trim(f"No.\n\n________________________________\n{copied}\n\nHas it?") == "No."
    named = f"{sender}: Bob <bob@shop.example>\n{to}: Anna\n{subject}: Order"
    assert trim(f"No.\n{named}\n\nHas it?") == "No."


@pytest.mark.parametrize(
    "prose",
    [
        "From: here we go again",
        "From: Berlin\nTo: Paris\nDate: 3 May",
        "Von: Berlin\nNach: Paris",
        "Do: nothing.",
        "On 3 November at 10:00 I wrote:\nwhere is it?",
        "My order of 3.11.2025:\n2 chairs",
        "I work 9:00 to 17:00, so write to <anna@b.example> please",
        "Sent from your warehouse on Monday.",
        "Отправлено с задержкой.",
        "> I quote a poem\n\nand go on.\n\n> and another line\n\nand end.",
        "a -- b\n--- c\n-- d",
        "Order of 3.11.2025 10:00, contact <anna@b.example>:\n\n- 2 chairs",
        "Original message",
        "1.\n-----\n2.",
    ],
)
def test_prose_stays(prose: str) -> None:
    assert trim(prose) == prose
    assert trim(f"Hello,\n\n{prose}\n\nAnna") == f"Hello,\n\n{prose}\n\nAnna"


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my iPhone",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Sent from Mail for Windows",
        "Von meinem iPhone gesendet",
        "Gesendet mit der GMX Mail App",
        "Diese Nachricht wurde von meinem Android-Mobiltelefon gesendet.",
        "Отправлено с iPhone",
        "Отправлено из мобильной Яндекс Почты",
        "Отправлено из Почты Mail.ru",
        "Надіслано з iPhone",
        "Надіслано з пошти Ukr.net",
        "Wysłane z iPhone'a",
        "Wysłano z telefonu Samsung",
        "Envoyé de mon iPhone",
    ],
)
def test_what_a_telephone_adds_goes(line: str) -> None:
    assert trim(f"No.\n\n{line}") == "No."
    assert trim(f"No.\n\n{line}\n{QUOTE}") == "No."
    assert trim(line) == line


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("No.\n-- \nAnna\nRoad 1", "No."),
        ("No.\n--\nAnna", "No."),
        ("No.\n-- \nAnna\n\nOn 3.11.2025 9:12 Bob wrote:\n> Has it?", "No."),
        ("No.\n\nOn 3.11.2025 9:12 Bob wrote:\n> Has it?\n> -- \n> Bob\n\n-- \nAnna", "No."),
        ("No.\n\nKind regards,\nAnna", "No.\n\nKind regards,\nAnna"),
        ("-- \nAnna", "-- \nAnna"),
        ("No.\n-- \n" + "line\n" * 40, "No.\n-- \n" + "line\n" * 40),
    ],
)
def test_signatures_go(text: str, own: str) -> None:
    assert trim(text) == own.strip("\n")


@pytest.mark.parametrize("language", sorted(REPLY_ABOVE))
def test_everything_below_our_own_line_goes(language: str) -> None:
    assert trim(f"No.\n\n##- {REPLY_ABOVE[language]} -##\nHas it?") == "No."
    assert trim(f"No.\n\n> ##- {REPLY_ABOVE[language]} -## [#token]\n> Has it?") == "No."


def test_tables_are_in_lower_case() -> None:
    words = (*WROTE, *ORIGINAL, *FORWARDED, *FIELDS, *SENT_FROM)
    assert [word for word in words if word != word.lower()] == []


LINES = st.sampled_from(
    [
        *(
            "",
            "",
            "No.",
            "> quoted",
            ">",
            ">> deep",
            "-- ",
            "--",
            "-----",
            "Sent from my iPhone",
            "Отправлено с iPhone",
        ),
        *("On 3.11.2025 9:12 Bob <b@c.d> wrote:", "03.11.2025 9:12, Bob пишет:", "-----Original Message-----"),
        *("From: a@b.c", "Sent: x", "Subject: y", "Date: 3", "> From: a@b.c", "##- x -##", "Begin forwarded message:"),
        *("---------- Forwarded message ---------", "   ", "On 3.11.2025", "Bob <b@c.d> wrote:", "________________"),
    ]
)


@settings(deadline=None)  # a busy machine
@given(st.lists(LINES | st.text(max_size=20), max_size=30).map("\n".join), st.booleans())
def test_lines_are_dropped_and_never_changed(text: str, forwarded: bool) -> None:  # noqa: FBT001  # drawn
    own = trim(text, forwarded=forwarded)
    rest = iter(text.split("\n"))
    assert all(line in rest for line in own.split("\n"))
    assert bool(own.strip()) == bool(text.strip())


# --- flowed text and quotes in HTML ---


@pytest.mark.parametrize(
    ("flowed", "text"),
    [
        ("one \ntwo", "one two"),
        ("one\ntwo", "one\ntwo"),
        ("> one \n> two", "> one two"),
        ("> one \ntwo", "> one \ntwo"),
        (">> one \n>> two\n> three", ">> one two\n> three"),
        (" >not a quote", ">not a quote"),
        ("sig \n-- \nAnna", "sig \n-- \nAnna"),
        ("", ""),
    ],
)
def test_flowed_lines_are_joined(flowed: str, text: str) -> None:
    assert unflow(flowed) == text


def test_flowed_lines_of_asian_text_are_joined_without_blanks() -> None:
    assert unflow("訂單 \n在哪", delsp=True) == "訂單在哪"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<blockquote>b</blockquote>c", "a\n\n> b\n\nc"),
        ("a<blockquote type=cite>b<blockquote>c</blockquote></blockquote>", "a\n\n> b\n>> c"),
        ("<p>a</p></blockquote><p>b</p>", "a\n\nb"),
        ("a<blockquote>b", "a\n\n> b"),
        ("a\ue000b", "ab"),
        ("<blockquote></blockquote>a", "a"),
    ],
)
def test_quotes_in_html_are_marked_as_in_plain_text(html: str, text: str) -> None:
    squeezed = "\n".join(line for line in quoted_text(html).split("\n") if line.strip("> "))
    assert squeezed == "\n".join(filter(None, text.split("\n")))
