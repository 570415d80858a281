"""Applies one version of the rules: which route a conversation takes, and what it needs from when on. Pure."""

import re

import re2
from msgspec import structs

from normalizer.content import Choice, Content, Edit, Form, Language, Media, Rating, Template, Text, Unsupported
from normalizer.envelope import Envelope
from router.facts import Step
from router.hours import after_open, is_open
from router.rules import ChannelRule, Hours, Need, OperatorRule, Route, Rules, When

SURE = 0.8
"""A language found with less confidence is a guess: then every language of the customer will do from the start."""
MOST_LANGUAGES = 8
"""Remembered of a customer: what speaks for more is no customer."""
NATIVE = 7

_DEFAULT = Route(name="")
_SIP_URI = re.compile(r"(?:sips?:)?(?:([^@:;]*)[^@]*@)?(\[[^\]]*\]|[^:;?>]*)", re.IGNORECASE)


class BadRules(ValueError):
    """These rules cannot decide; the message says what is missing."""


class Policy:
    """One version of the rules, with its patterns compiled.

    Raises:
        BadRules: there is no default route, a pattern is no RE2 pattern, or a holding phrase has no text.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._routes = [(route, _compile(route)) for route in rules.routes]
        if rules.routes and rules.routes[-1].when != When():
            raise BadRules(f"the last route, {rules.routes[-1].name}, must match everything: leave out its conditions")
        if not all(phrase.say for phrase in rules.waiting):
            raise BadRules("a phrase for those who wait has no text in any language")
        self._phones = {phone_key(one.phone): name for name, one in rules.operators.items() if one.phone}
        self._spoken: dict[str, int] = {}
        for operator in rules.operators.values():
            for language, level in self.languages_of(operator).items():
                self._spoken[language] = max(level, self._spoken.get(language, 0))

    def languages_of(self, operator: OperatorRule) -> dict[str, int]:
        """Give an operator's languages; one without any in the rules speaks the workspace's first language."""
        return operator.languages or {self.rules.languages[0]: NATIVE}

    def channel(self, name: str) -> ChannelRule:
        """Give the rule of a channel; one that is no longer configured has the defaults."""
        return self.rules.channels.get(name) or ChannelRule(type=name)

    @property
    def has_phones(self) -> bool:
        """Whether calls can ring anywhere."""
        return bool(self._phones)

    def whose_phone(self, uri: str) -> str | None:
        """Name the operator whose phone this SIP URI is."""
        return self._phones.get(phone_key(uri))

    def phone_channel(self, preferred: str) -> str | None:
        """Name the channel that makes calls: ``preferred`` if it does, else the first by name."""
        able = sorted(name for name, rule in self.rules.channels.items() if makes_calls(rule))
        return preferred if preferred in able else next(iter(able), None)

    def hours(self, route: Route) -> Hours | None:
        """Give the calendar of a route; without one it is always open."""
        return self.rules.hours.get(route.hours or "default")

    def route(self, envelope: Envelope, languages: tuple[str, ...], at: int) -> Route:
        """Find the first route whose conditions all hold at ``at``."""
        text = words(envelope.content)
        for route, patterns in self._routes:
            in_time = not route.when.hours or self._stands(route, at) == route.when.hours
            if in_time and _holds(route.when, envelope, languages) and _found(patterns, text):
                return route
        return _DEFAULT

    def _stands(self, route: Route, at: int) -> str:
        hours = self.hours(route)
        return "open" if hours is None or is_open(hours, at) else "closed"

    def named(self, name: str) -> Route:
        """Find the route of that name, or the default one."""
        for route in self.rules.routes:
            if route.name == name:
                return route
        return self.rules.routes[-1] if self.rules.routes else _DEFAULT

    def steps(self, route: Route, languages: tuple[str, ...], at: int, *, sure: bool) -> tuple[Step, ...]:
        """Give the requirement steps of a route from ``at`` on, with the customer's first language before the others.

        While the route's opening hours are closed, no time passes for them.
        """
        hours = self.hours(route)
        needs = [(0, route.need), *((relax.after, relax.need) for relax in route.relax)]
        widen = self.rules.times.language
        times = {after for after, _ in needs}
        if sure and any(len(self._wanted(need, languages)) > 1 for _, need in needs):
            times.add(widen)
        steps = []
        for after in sorted(times):
            need = [need for start, need in needs if start <= after][-1]
            wanted = self._wanted(need, languages)
            first = wanted[:1] if sure and after < widen and not need.languages else wanted
            since = at + after if hours is None else after_open(hours, at, after)
            steps.append(Step(at=since, need=_speaking(need, first)))
        return tuple(steps)

    def _wanted(self, need: Need, languages: tuple[str, ...]) -> tuple[str, ...]:
        """The route's own languages; else those of the customer that somebody here speaks; else the first of ours."""
        if need.languages:
            return need.languages
        for choice in (languages, self.rules.languages[:1]):
            spoken = tuple(code for code in choice if self._spoken.get(code, 0) >= need.language_level)
            if spoken:
                return spoken
        return ()


def makes_calls(rule: ChannelRule) -> bool:
    """Tell whether a channel is a phone: one of SIP, or whatever else needs an operator's whole attention."""
    return rule.type == "sip" or rule.kind == "exclusive"


def phone_key(uri: str) -> str:
    """Reduce a SIP URI to what names the phone: user, and host in lower case (RFC 3261 section 19.1.4)."""
    found = _SIP_URI.match(uri.strip().rpartition("<")[2])
    assert found is not None  # noqa: S101  # every part of the pattern may be empty
    return f"{found[1] or ''}@{found[2].lower()}"


def _compile(route: Route) -> list["re2._Regexp[str]"]:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    try:
        return [re2.compile(pattern, options) for pattern in route.when.text]
    except re2.error as error:
        raise BadRules(f"route {route.name}: a text pattern is not one of RE2: {error}") from error


def _holds(when: When, envelope: Envelope, languages: tuple[str, ...]) -> bool:
    if when.channels and envelope.channel not in when.channels:
        return False
    if when.languages and not any(code in when.languages for code in languages[:1]):
        return False
    return all(envelope.attributes.get(name) in values for name, values in when.attributes.items())


def _found(patterns: list["re2._Regexp[str]"], text: str) -> bool:
    return not patterns or any(pattern.search(text) for pattern in patterns)


def _speaking(need: Need, languages: tuple[str, ...]) -> Need:
    return structs.replace(need, languages=languages)


def words(content: Content) -> str:
    """Everything in ``content`` that a person wrote, for the text rules."""
    match content:
        case Text():
            return f"{content.subject}\n{content.text}"
        case Edit() | Choice() | Template():
            return content.text
        case Media():
            return content.caption
        case Form():
            return "\n".join(content.answers.values())
        case Rating():
            return content.comment
        case Unsupported():
            return content.what
        case _:
            return ""


def languages(envelope: Envelope) -> tuple[tuple[str, ...], bool]:
    """Give the languages that the customer seems to have, best first, and whether the first is sure."""
    found: list[Language] = []
    if isinstance(envelope.content, Text) and envelope.content.language is not None:
        found.append(envelope.content.language)
    found.extend(envelope.sender.languages)
    if not found:
        return (), True
    codes = tuple(dict.fromkeys(language.code.partition("-")[0].lower() for language in found))
    return codes[:MOST_LANGUAGES], found[0].confidence >= SURE
