"""Where files may be fetched from."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from adapters.session import Reach, open_session
from adapters.testing import FakeContext
from adapters.testing.steps import Answer
from adapters.testing.twilio import ACCOUNT, File, Write
from adapters.twilio.client import reach_of
from adapters.twilio.mapping import Missing
from adapters.twilio.media import Fetcher, NotFetched
from adapters.twilio.wire import MediaRef
from normalizer.content import Unsupported
from tests.adapters.twilio.conftest import Line, make_settings
from tests.adapters.twilio.test_inbound import PNG

PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/MM{'0' * 32}/Media/ME{'0' * 32}"
HERE = "https://api.twilio.com"


class Trap:
    """A server inside, which must never be asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.Response(body=PNG)


@pytest.fixture
async def trap() -> AsyncIterator[tuple[Trap, str]]:
    inside, app = Trap(), web.Application()
    app.router.add_get("/{path:.*}", inside.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        yield inside, str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "http://[",
        "https://a.example:99999/",
        "file:///etc/passwd",
        f"http://api.twilio.com{PATH}",
        f"https://api.twilio.com:8443{PATH}",
        f"https://user:pass@api.twilio.com{PATH}",
        f"https://api.twilio.com.evil.example{PATH}",
        f"https://evil.example{PATH}",
        f"https://evil-api.twilio.com{PATH}",
        f"https://api.twilio.com@127.0.0.1{PATH}",
        f"https://127.0.0.1{PATH}",
        f"https://169.254.169.254{PATH}",
        f"https://[::1]{PATH}",
        f"{HERE}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        f"{HERE}/2010-04-01/Accounts/{ACCOUNT}/Messages/MM{'0' * 32}/Media/..%2f..%2f..",
        f"{HERE}{PATH}/../../../../x",
    ],
)
async def test_only_files_of_messages_at_twilio_are_fetched(url: str) -> None:
    context = FakeContext()

    def never() -> None:
        raise AssertionError("a connection was made")

    fetcher = Fetcher(make_settings(), context.media, never)  # type: ignore[arg-type] # no session is ever wanted
    found = await fetcher.fetch(MediaRef(url, "image/png"), "key")
    assert found == Missing("a file (image/png) that does not lie at Twilio")
    await context.close()


async def test_no_inner_address_is_connected_to_even_if_the_name_is_right(trap: tuple[Trap, str]) -> None:
    """As when a name server says that ``api.twilio.com`` lies inside."""
    assert reach_of(HERE) is Reach.PUBLIC
    inside, url = trap
    async with open_session(Reach.PUBLIC) as session:
        context = FakeContext()
        fetcher = Fetcher(make_settings(api=url), context.media, lambda: session)
        with pytest.raises(NotFetched):
            await fetcher.fetch(MediaRef(url + PATH, "image/png"), "key")
        await context.close()
    assert inside.asked == []


@pytest.mark.parametrize(
    "place",
    ["http://evil.example/x", "http://127.0.0.2/x", "ftp://localhost/x", "http://u:p@localhost/x", "//evil.example/"],
)
async def test_a_redirect_elsewhere_is_not_followed(line: Line, place: str) -> None:
    line.simulator.will(Answer(status=307, headers={"Location": place}), on="GET .*/Media/")
    await line.simulator.write(Write(media=[File(type="image/png", data=PNG)]))
    what = "a file (image/png) that is redirected to a place that is not Twilio's"
    assert line.context.accepted[0].content == Unsupported(what=what)


async def test_a_redirect_in_a_circle_ends(line: Line) -> None:
    for _ in range(5):
        line.simulator.will(
            Answer(status=302, headers={"Location": f"{line.simulator.url}/_cdn/a/b"}), on="GET /_cdn|Media/"
        )
    await line.simulator.write(Write(media=[File(type="image/png", data=PNG)]))
    what = "a file (image/png) that is redirected again and again"
    assert line.context.accepted[0].content == Unsupported(what=what)


async def test_a_redirect_of_twilio_itself_must_be_encrypted() -> None:
    context = FakeContext()
    fetcher = Fetcher(make_settings(), context.media, lambda: context.http)
    assert fetcher._may_follow(URL("https://media.twiliocdn.com/x"))
    assert fetcher._may_follow(URL("https://s3-external-1.amazonaws.com/media.twiliocdn.com/x"))
    assert not fetcher._may_follow(URL("http://media.twiliocdn.com/x"))
    assert not fetcher._may_follow(URL("https://twiliocdn.com.evil.example/x"))
    await context.close()
