"""Forms that a visitor fills in, before the chat or while nobody is there, checked against what was asked. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.webchat.face import MESSAGE, Question
from adapters.webchat.wire import FormDraft
from normalizer.content import Form
from normalizer.plain import clean_line, clean_text
from web.errors import Refusal

MAX_ANSWER: Final = 300
OFFLINE: Final = (
    Question(name="name", label={"en": "Name"}, required=False),
    Question(name="email", label={"en": "E-mail"}, kind="email"),
)
"""What is asked when nobody is there, beside the message; the page has the words for it."""

_EMAIL: Final = re.compile(r"[^\s@<>()\[\],;:\"]{1,64}@[^\s@<>()\[\],;:\"]{1,180}\.[^\s@.]{2,63}")


def fill(draft: FormDraft, questions: Sequence[Question]) -> Form:
    """Make the content of a form, its answers in the order of the questions.

    Raises:
        Refusal: 400 ``bad_form`` with the field: an answer is missing, is none of the options or no address, or
            something was answered that nobody asked.
    """
    asked = OFFLINE if draft.name == "offline" else questions
    strange = draft.answers.keys() - {question.name for question in asked} - {MESSAGE}
    if strange:
        raise _bad(min(strange), "nobody has asked this")
    message = clean_text(draft.answers.get(MESSAGE, "")).strip()
    if not message:
        raise _bad(MESSAGE, "the message is missing")
    answers = {question.name: _answer(draft.answers, question) for question in asked}
    return Form(answers={name: text for name, text in answers.items() if text} | {MESSAGE: message}, name=draft.name)


def attributes(form: Form) -> dict[str, str]:
    """Give the answers for the rules; the message is none of them."""
    return {name: text for name, text in form.answers.items() if name != MESSAGE}


def _answer(answers: Mapping[str, str], question: Question) -> str:
    text = clean_line(answers.get(question.name, ""), MAX_ANSWER)
    if not text and question.required:
        raise _bad(question.name, "this has to be answered")
    if text and question.kind == "email" and not _EMAIL.fullmatch(text):
        raise _bad(question.name, "this is no e-mail address")
    if text and question.kind == "choice" and text not in {option.value for option in question.options}:
        raise _bad(question.name, "this is none of the options")
    return text


def _bad(field: str, message: str) -> Refusal:
    return Refusal(400, "bad_form", message, field=f"content.answers.{field}")
