"""From settings to rules: what people write in YAML, as the router reads it in the log."""

import hashlib

import msgspec
from msgspec import Struct

from broker.settings.answers import canned
from broker.settings.hours import compile_hours
from broker.settings.routes import NeedSettings, RouteSettings
from broker.settings.staff import ChannelWork, OperatorSettings
from broker.settings.workspace import TimesSettings, WorkspaceSettings, channel_type
from router.inputs import RulesProposed
from router.rules import (
    ChannelClass,
    ChannelRule,
    Need,
    OperatorRule,
    Relax,
    Route,
    Rules,
    Times,
    Waiting,
    When,
)

LANGUAGE_LEVELS = {"A1": 1, "A2": 2, "B1": 3, "B2": 4, "C1": 5, "C2": 6, "native": 7}
"""Levels of the Common European Framework of Reference, and above them a mother tongue."""

WORK: dict[str, tuple[ChannelClass, int]] = {"sip": ("exclusive", 100), "email": ("deferrable", 10)}
"""Class and units of kinds of channels where they differ from a chat's."""

PARK_AFTER: dict[ChannelClass, int] = {"exclusive": 0, "interactive": 600_000, "deferrable": 600_000}
"""Milliseconds without a word, after which a conversation takes no room any more."""

CHAT: tuple[ChannelClass, int] = ("interactive", 20)


def compile_rules(settings: WorkspaceSettings) -> Rules:
    """Give the rules of a workspace; the same settings give the same rules, to the byte."""
    return Rules(
        channels={name: _channel(channel, settings.capacity.get(name)) for name, channel in settings.channels.items()},
        operators={name: _operator(operator) for name, operator in settings.operators.items()},
        routes=tuple(_route(route) for route in settings.routing),
        languages=tuple(settings.languages),
        waiting=tuple(Waiting(after=int(w.after), say=w.say) for w in sorted(settings.waiting, key=lambda w: w.after)),
        times=_times(settings.times),
        answers=tuple(map(canned, settings.answers)),
        results=tuple(settings.results),
        hours={name: compile_hours(hours) for name, hours in sorted(settings.hours.items())},
    )


def propose(settings: WorkspaceSettings, by: str = "") -> RulesProposed:
    """Give the input that proposes these rules, named by their content's hash."""
    rules = compile_rules(settings)
    digest = hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()
    return RulesProposed(hash=digest[:32], rules=rules, by=by)


def _channel(channel: Struct, work: ChannelWork | None) -> ChannelRule:
    type_ = channel_type(channel)
    kind, units = WORK.get(type_, CHAT)
    work = work or ChannelWork()
    kind = work.kind or kind
    quiet = work.park_after if work.park_after is not None else PARK_AFTER[kind]
    return ChannelRule(
        type=type_,
        kind=kind,
        units=units if work.units is None else work.units,
        accept=work.accept or ("manual" if type_ == "sip" else "auto"),
        offer_timeout=int(work.offer_timeout),
        park_after=int(quiet),
    )


def _operator(operator: OperatorSettings) -> OperatorRule:
    return OperatorRule(
        name=operator.name,
        role=operator.role,
        avatar=operator.avatar,
        phone=operator.phone,
        skills=dict(operator.skills),
        languages={code: LANGUAGE_LEVELS[level] for code, level in operator.languages.items()},
        units=operator.capacity.get("units", 100),
        limits={kind: limit for kind, limit in operator.capacity.items() if kind != "units"},
    )


def _need(need: NeedSettings) -> Need:
    return Need(skills=dict(need.skills), languages=tuple(need.languages), operators=tuple(need.operators))


def _route(route: RouteSettings) -> Route:
    when = route.when
    return Route(
        name=route.name,
        when=When(
            channels=tuple(when.channels),
            languages=tuple(when.languages),
            text=tuple(when.text),
            attributes={name: tuple(values) for name, values in when.attributes.items()},
            hours=when.hours or "",
        ),
        need=_need(route.need),
        relax=tuple(Relax(after=int(r.after), need=_need(r)) for r in sorted(route.relax, key=lambda r: r.after)),
        boost=int(route.boost),
        tier=route.tier,
        hours=route.hours or "",
    )


def _times(times: TimesSettings) -> Times:
    return Times(
        grace=int(times.grace),
        unanswered=int(times.unanswered),
        reopen=int(times.reopen),
        transfer=int(times.transfer),
        wrap_up=int(times.wrap_up),
        archive=int(times.archive),
    )
