"""The handlers of search and reports, and what of them is asked for over HTTP."""

import base64
from datetime import date, datetime, timedelta
from typing import Final, Literal, get_args

import msgspec
from aiohttp import web

from desk.conversations.lists import Lists
from desk.finding.reports import (
    DEFAULT_DAYS,
    DEFAULT_WITHIN,
    REPORTS,
    Asked,
    BadPeriod,
    By,
    Figures,
    Name,
    Report,
    Reports,
    midnight,
    period,
    to_csv,
)
from desk.finding.search import (
    Cursor,
    Found,
    IndexAway,
    Kind,
    Page,
    PeopleFound,
    Query,
    Reach,
    SearchIndex,
    Sort,
    parse,
    parse_person,
)
from desk.http.api import SIGNED_IN, json_answer, query_value
from desk.node import Node
from desk.ports import Account
from desk.protocol.wire import View, encode
from router.state import State
from web.errors import Refusal

HITS: Final = 20
MOST_HITS: Final = 100
_DAY: Final = timedelta(days=1)
_FIRST_DAY: Final = date(1971, 1, 1)
_LAST_DAY: Final = date(9998, 12, 31)  # so that there is a next one
MAX_LISTED: Final = 5_000
"""Conversations of a list that an operator's search looks into."""

_VIEWS: Final[tuple[View, ...]] = ("mine", "queue")
_Format = Literal["json", "csv"]
_State = Literal["", "open", "closed"]


class Finding:
    """The handlers, bound to one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._zone = node.settings.timezone

    async def search(self, request: web.Request) -> web.StreamResponse:
        """Find conversations."""
        _, account = request[SIGNED_IN]
        feed = self._node.feed
        try:
            found, following, state = await self._index.conversations(
                self._query(request), _page(request), reach_of(feed.state, feed.lists, account)
            )
        except IndexAway as exc:
            raise _away(exc) from exc
        return json_answer(Found(hits=found, index=state, next=_token(following)))

    async def search_people(self, request: web.Request) -> web.StreamResponse:
        """Find customers."""
        _, account = request[SIGNED_IN]
        feed = self._node.feed
        terms = parse_person(request.query.get("q", ""))
        if not terms:
            raise Refusal(400, "bad_request", "say whom to look for", field="q")
        try:
            found, following, state = await self._index.people(
                Query(terms=terms), _page(request), reach_of(feed.state, feed.lists, account)
            )
        except IndexAway as exc:
            raise _away(exc) from exc
        return json_answer(PeopleFound(people=found, index=state, next=_token(following)))

    async def reports(self, request: web.Request) -> web.StreamResponse:
        """Give the reports there are."""
        _require_supervisor(request)
        return json_answer(Reports(reports=tuple(REPORTS.values())))

    async def report(self, request: web.Request) -> web.StreamResponse:
        """Give a report."""
        _require_supervisor(request)
        name = request.match_info["name"]
        if name not in REPORTS:
            raise Refusal(404, "not_found", f"there is no report {name}: {', '.join(REPORTS)}")
        made = await self._report(request, REPORTS[msgspec.convert(name, Name)].name)
        if query_value(request, "format", _Format, "json") == "json":
            return json_answer(made)
        file = f"{made.name}_{made.since}_{made.to}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{file}"', "Cache-Control": "no-store"}
        return web.Response(
            body=to_csv(made).encode("utf-8-sig"), content_type="text/csv", charset="utf-8", headers=headers
        )

    # --- what was asked for ----------------------------------------------------------------------------------------

    async def _report(self, request: web.Request, name: Name) -> Report:
        today = self._today()
        last = _day(request, "to") or today
        first = _day(request, "from") or last - (DEFAULT_DAYS - 1) * _DAY
        by: By = query_value(request, "by", By, "day")
        within = query_value(request, "within", int, DEFAULT_WITHIN)
        try:
            over = period(first, last, by, self._zone)
        except BadPeriod as exc:
            raise Refusal(400, "bad_request", str(exc), field=exc.field) from exc
        asked = Asked(
            name=name,
            period=over,
            channels=_names(request, "channel"),
            operators=_names(request, "operator"),
            within=min(max(within, 1), 86_400),
        )
        try:
            groups, state = await self._figures.report(asked)
        except IndexAway as exc:
            raise _away(exc) from exc
        shown = REPORTS[name]
        return Report(
            name=name,
            group=shown.group,
            since=first.isoformat(),
            to=last.isoformat(),
            by=by,
            timezone=self._zone.key,
            columns=shown.columns,
            buckets=over.buckets,
            groups=groups,
            index=state,
        )

    def _query(self, request: web.Request) -> Query:
        terms, without = parse(request.query.get("q", ""))
        if without and not terms:
            raise Refusal(400, "bad_request", "say what to look for, not only what to leave out", field="q")
        first, last = _day(request, "from"), _day(request, "to")
        kinds = _names(request, "kind")
        if not set(kinds) <= set(get_args(Kind)):
            raise Refusal(400, "bad_request", f"known kinds are {', '.join(get_args(Kind))}", field="kind")
        sort: Sort = query_value(request, "sort", Sort, "best")
        return Query(
            terms=terms,
            without=without,
            channels=_names(request, "channel"),
            kinds=kinds,
            operator=request.query.get("operator", ""),
            state=query_value(request, "state", _State, ""),
            result=request.query.get("result", ""),
            person=request.query.get("person", ""),
            since=midnight(first, self._zone) if first else 0,
            until=midnight(last + _DAY, self._zone) if last else 0,
            sort=sort if terms else "newest",
        )

    def _today(self) -> date:
        return datetime.fromtimestamp(self._node.outside.now() / 1_000, self._zone).date()

    @property
    def _index(self) -> SearchIndex:
        index = self._node.outside.search
        if index is None:
            raise Refusal(503, "unavailable", "this desk has no index to search in")
        return index

    @property
    def _figures(self) -> Figures:
        figures = self._node.outside.figures
        if figures is None:
            raise Refusal(503, "unavailable", "this desk has no index to count in")
        return figures


def reach_of(state: State, lists: Lists, account: Account) -> Reach | None:
    """Say what an account may find: what stands in its lists, and everything else of those customers."""
    if account.role == "supervisor":
        return None
    listed = [each for view in _VIEWS for each in lists.page(state, view, account.id, MAX_LISTED)]
    conversations = tuple(dict.fromkeys(each.id for each in listed))
    return Reach(account.id, conversations, tuple(dict.fromkeys(each.person for each in listed)))


def _require_supervisor(request: web.Request) -> None:
    _, account = request[SIGNED_IN]
    if account.role != "supervisor":
        raise Refusal(403, "forbidden", "reports are for supervisors")


def _names(request: web.Request, parameter: str) -> tuple[str, ...]:
    """Read names that commas separate."""
    return tuple(name for name in request.query.get(parameter, "").split(",") if name)


def _day(request: web.Request, parameter: str) -> date | None:
    given = request.query.get(parameter, "")
    if not given:
        return None
    try:
        day = date.fromisoformat(given)
    except ValueError as exc:
        raise Refusal(400, "bad_request", "a day is written as 2026-11-01", field=parameter) from exc
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise Refusal(400, "bad_request", f"days are from {_FIRST_DAY} to {_LAST_DAY}", field=parameter)
    return day


def _page(request: web.Request) -> Page:
    limit = min(max(1, query_value(request, "limit", int, HITS)), MOST_HITS)
    token = request.query.get("after", "")
    if not token:
        return Page(limit)
    try:
        cursor = msgspec.json.decode(base64.b64decode(token, altchars=b"-_", validate=True), type=Cursor)
    except (ValueError, msgspec.DecodeError) as exc:  # ValueError: not base64
        raise Refusal(400, "bad_request", "this is not the end of a page", field="after") from exc
    return Page(limit, cursor.offset, cursor.bound)


def _token(following: Cursor | None) -> str:
    return "" if following is None else base64.urlsafe_b64encode(encode(following)).decode()


def _away(exc: IndexAway) -> Refusal:
    return Refusal(503, "unavailable", str(exc), retry_after=1)
