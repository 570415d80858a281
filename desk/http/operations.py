"""The table of HTTP operations: routes are made from it, and so is the OpenAPI document."""

from collections.abc import Sequence
from dataclasses import dataclass

from desk.canned.files import AnswersFile
from desk.canned.preview import AnswersSeen
from desk.finding.reports import By, Report, Reports
from desk.finding.search import Found, PeopleFound, Sort
from desk.http.api import MAX_PAGE, Api, Handler
from desk.http.canned import AnswerFiles, Format, Scope
from desk.http.finding import MOST_HITS, Finding
from desk.protocol.bodies import Alarms, Conversations, Do, Explained, Opened, Operators, SignIn, Uploaded
from desk.protocol.events import Confirmed, NotConfirmed, Refused
from desk.protocol.wire import Channels, Me, View
from web.errors import ErrorBody


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter: its name, its type and a sentence."""

    name: str
    type: object
    about: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked for. ``answers`` maps a status to the struct of its body; ``public``: by anybody."""

    method: str
    path: str
    handler: Handler
    summary: str
    answers: dict[int, object]
    body: object = None
    query: Sequence[Parameter] = ()
    public: bool = False


_CONVERSATION = "/conversations/{conversation}"
_PERSON = Parameter("person", str, "The person, for a conversation that has left the memory.")
_LIMIT = Parameter("limit", int, f"How many at once, at most {MAX_PAGE}.")
_CHANNEL = Parameter("channel", str, "Names of channels, separated by commas.")
_DAYS = (
    Parameter("from", str, "The first day, as 2026-11-01, in the desk's time zone."),
    Parameter("to", str, "The last day, included."),
)


def operations(api: Api) -> list[Operation]:
    """Give the table; paths are below where the desk is mounted."""
    return [*_sessions(api), *_lists(api), *_conversation(api), *_doing(api)]


def _sessions(api: Api) -> list[Operation]:
    return [
        Operation(
            "POST",
            "/session",
            api.sign_in,
            "Sign in; the answer sets the session cookie.",
            {200: Me, 401: ErrorBody, 429: ErrorBody},
            body=SignIn,
            public=True,
        ),
        Operation(
            "DELETE",
            "/session",
            api.sign_out,
            "Sign out here, or everywhere.",
            {204: None},
            query=[Parameter("everywhere", bool, "End all sessions of the operator.")],
        ),
        Operation("GET", "/me", api.me, "Who is signed in.", {200: Me}),
    ]


def _lists(api: Api) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/conversations",
            api.conversations,
            "A page of a list.",
            {200: Conversations, 403: ErrorBody},
            query=[
                Parameter("view", View, "Which list; everything is for supervisors."),
                Parameter("after", str, "What `next` of the page before said."),
                _LIMIT,
            ],
        ),
        Operation("GET", "/channels", api.channels, "The channels and their approved texts.", {200: Channels}),
        Operation(
            "GET",
            "/operators",
            api.operators,
            "Everybody's presence; for a supervisor their load too.",
            {200: Operators},
        ),
        Operation("GET", "/alarms", api.alarms, "What somebody has to look at; for supervisors.", {200: Alarms}),
    ]


def _conversation(api: Api) -> list[Operation]:
    return [
        Operation(
            "GET",
            _CONVERSATION,
            api.conversation,
            "A conversation with its last items, oldest first.",
            {200: Opened, 404: ErrorBody},
            query=[_PERSON, Parameter("before", str, "Id of an item: give those before it."), _LIMIT],
        ),
        Operation(
            "GET",
            f"{_CONVERSATION}/explain",
            api.explain,
            "Why it was routed as it was.",
            {200: Explained, 404: ErrorBody},
            query=[_PERSON, Parameter("operator", str, "Say why this operator does not get it now.")],
        ),
        Operation(
            "GET",
            f"{_CONVERSATION}/files/{{file}}",
            api.file,
            "A file of a conversation.",
            {200: bytes, 404: ErrorBody},
            query=[_PERSON],
        ),
        Operation(
            "GET",
            f"{_CONVERSATION}/layouts/{{file}}",
            api.layout,
            "A mail as its author laid it out: a page for a sandboxed frame; `file` is `html.name` of a text.",
            {200: bytes, 404: ErrorBody, 413: ErrorBody},
            query=[_PERSON],
        ),
    ]


def _doing(api: Api) -> list[Operation]:
    return [
        Operation(
            "POST",
            "/commands",
            api.command,
            "Do something; safe to repeat with the same id.",
            {200: Confirmed, 202: NotConfirmed, 409: Refused},
            body=Do,
        ),
        Operation(
            "POST",
            "/files",
            api.upload,
            "Store a file, to be sent in a reply or a note.",
            {201: Uploaded, 413: ErrorBody, 415: ErrorBody},
            body=bytes,
        ),
        Operation("GET", "/socket", api.socket, "The WebSocket of a screen; see docs/desk-protocol.md.", {101: None}),
    ]


def answer_operations(files: AnswerFiles) -> list[Operation]:
    """Give what takes canned answers out and in."""
    scope = Parameter("scope", Scope, "`shared` or `personal`.")
    return [
        Operation(
            "GET",
            "/answers",
            files.export_answers,
            "Canned answers that were written on the desk, as a file; as YAML it fits into the configuration.",
            {200: AnswersFile},
            query=[scope, Parameter("format", Format, "`json` or `yaml`.")],
        ),
        Operation(
            "POST",
            "/answers",
            files.import_answers,
            "Take canned answers in, as JSON, YAML or CSV, all or nothing; those that are known are changed.",
            {200: Confirmed, 202: NotConfirmed, 400: ErrorBody, 409: Refused, 413: ErrorBody, 415: ErrorBody},
            body=AnswersFile,
            query=[scope],
        ),
        Operation(
            "POST",
            "/answers/preview",
            files.preview_answers,
            "What would become of canned answers that are taken in; nothing is done.",
            {200: AnswersSeen, 400: ErrorBody, 413: ErrorBody, 415: ErrorBody},
            body=AnswersFile,
            query=[scope],
        ),
    ]


def finding_operations(finding: Finding) -> list[Operation]:
    """Give what belongs to search and reports; docs/search-and-reports.md says more."""
    return [*_searching(finding), *_counting(finding)]


def _searching(finding: Finding) -> list[Operation]:
    page = [
        Parameter("limit", int, f"How many at once, at most {MOST_HITS}."),
        Parameter("after", str, "What `next` of the page before said."),
    ]
    return [
        Operation(
            "GET",
            "/search",
            finding.search,
            "Search conversations.",
            {200: Found, 400: ErrorBody, 503: ErrorBody},
            query=[
                Parameter("q", str, "What to look for."),
                _CHANNEL,
                Parameter("operator", str, "Who has answered in it, or has it."),
                Parameter("state", str, "`open` or `closed`."),
                Parameter("result", str, "What it was closed with."),
                Parameter("person", str, "The customer's id."),
                Parameter("kind", str, "`message`, `reply`, `note`, `result`, separated by commas."),
                *_DAYS,
                Parameter("sort", Sort, "Order; without `q` always the newest first."),
                *page,
            ],
        ),
        Operation(
            "GET",
            "/search/people",
            finding.search_people,
            "Search customers by name, address or phone number.",
            {200: PeopleFound, 400: ErrorBody, 503: ErrorBody},
            query=[Parameter("q", str, "Whom to look for."), *page],
        ),
    ]


def _counting(finding: Finding) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/reports",
            finding.reports,
            "The reports there are; for supervisors.",
            {200: Reports, 403: ErrorBody},
        ),
        Operation(
            "GET",
            "/reports/{name}",
            finding.report,
            "A report, as JSON or as a CSV file; for supervisors.",
            {200: Report, 400: ErrorBody, 403: ErrorBody, 404: ErrorBody, 503: ErrorBody},
            query=[
                *_DAYS,
                Parameter("by", By, "What is counted together."),
                _CHANNEL,
                Parameter("operator", str, "Ids of operators, separated by commas; for reports grouped by them."),
                Parameter("within", int, "Seconds, for the share that was answered in time."),
                Parameter("format", str, "`json` or `csv`."),
            ],
        ),
    ]
