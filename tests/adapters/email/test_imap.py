import asyncio
import time

import pytest
import uvloop

from adapters.email.imap import CommandRefused, Connection, Server
from adapters.email.imap_words import arrival, fetched, mailbox_name, uid_set
from adapters.errors import BadCredentials, NotReachable
from tests.adapters.email.conftest import mail, password, server
from tests.fixtures.dovecot import USER, Dovecot
from tests.fixtures.imap import HostileImap

LOGGED_IN = {"LOGIN": "* ", "SELECT": "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok"}


# --- with a real server ---


async def test_a_push_comes_at_once_and_the_mail_is_as_it_was(dovecot: Dovecot, connection: Connection) -> None:
    assert await connection.search("UID 1:*") == []
    waiting = asyncio.create_task(connection.wait_for_news(60))
    await asyncio.sleep(0.2)
    dovecot.deliver(mail(1))
    async with asyncio.timeout(30):
        await waiting
    uids = await connection.search("UID 1:*")
    bodies = await connection.bodies(uids)
    assert bodies[uids[0]].endswith(mail(1))
    assert (await connection.items(uids))[0].size == len(bodies[uids[0]])
    assert bodies[uids[0]].startswith(await connection.header(uids[0]))
    assert dovecot.files()[0].parent.name == "new" or not dovecot.files()[0].name.endswith("S")


async def test_news_beside_an_answer_are_not_waited_for_again(dovecot: Dovecot, connection: Connection) -> None:
    await connection.search("UID 1:*")
    dovecot.deliver(mail(1))
    await asyncio.sleep(1.5)
    await connection.exists("INBOX")  # the server says EXISTS beside the answer, and will not say it again
    async with asyncio.timeout(30):
        await connection.wait_for_news(600)


async def test_waiting_ends_by_itself_and_can_be_begun_again(connection: Connection) -> None:
    await connection.search("UID 1:*")
    for _ in range(3):
        await connection.wait_for_news(0.05)
    assert await connection.search("UID 1:*") == []


async def test_thousands_of_mails_can_be_asked_for(dovecot: Dovecot, connection: Connection) -> None:
    dovecot.fill(*map(mail, range(600)))
    await connection.ask_for_news()
    uids = await connection.search("UID 1:*")
    assert len(uids) == 600
    found = [item for start in range(0, 600, 200) for item in await connection.items(uids[start : start + 200])]
    assert [item.uid for item in found] == uids
    assert len(await connection.bodies(uids[:200])) == 200
    with pytest.raises(ValueError, match="too many"):
        await connection.items(uids[:201])


async def test_small_mails_come_with_their_description(dovecot: Dovecot, connection: Connection) -> None:
    dovecot.deliver(mail(1), mail(2, size=5_000), mail(3))
    await connection.ask_for_news()
    uids = await connection.search("UID 1:*")
    bodies = await connection.bodies(uids)
    described = await connection.items(uids, below=5_000)
    assert [item.mail for item in described] == [bodies[uids[0]], None, bodies[uids[2]]]
    assert [item.size for item in described] == [len(bodies[uid]) for uid in uids]
    size = described[0].size
    assert [item.mail is None for item in await connection.items(uids[:1], below=size)] == [True], "it may go on"
    assert [item.mail is None for item in await connection.items(uids[:1], below=size + 1)] == [False]


async def test_flags_and_folders(dovecot: Dovecot, connection: Connection) -> None:
    dovecot.deliver(mail(1), mail(2))
    await connection.ask_for_news()
    dovecot.make("Done &- gut")
    uids = await connection.search("UID 1:*")
    await connection.flag(uids, r"\Seen Taken")
    assert await connection.search("SEEN KEYWORD Taken") == uids
    assert await connection.flags([*uids, uids[-1] + 1]) == dict.fromkeys(
        uids, frozenset({"\\recent", "\\seen", "taken"})
    )
    assert await connection.exists("Done & gut")
    assert not await connection.exists("Готово")
    await connection.move(uids[:1], "Done & gut")
    assert await connection.search("UID 1:*") == uids[1:]
    with pytest.raises(CommandRefused, match="TRYCREATE"):
        await connection.move(uids[1:], "Nowhere")
    assert await connection.search("UID 1:*") == uids[1:], "the connection still works"


async def test_a_server_without_move_copies_once_and_deletes(dovecot: Dovecot, connection: Connection) -> None:
    dovecot.make("Done")
    dovecot.deliver(mail(1), mail(2))
    await connection.ask_for_news()
    uids = await connection.search("UID 1:*")
    connection._protocol.capabilities.discard("MOVE")
    await connection.flag(uids[:1], r"\Deleted")  # as a move leaves it that was cut off before its end
    await connection.move(uids, "Done")
    assert await connection.search("UID 1:*") == []
    assert len(dovecot.files("Done")) == 1


async def test_a_folder_that_is_not_there_is_refused(dovecot: Dovecot) -> None:
    connection = await Connection.open(server(dovecot.port))
    with pytest.raises(CommandRefused):
        await connection.select("Nowhere")
    await connection.close()


async def test_a_mail_of_thirty_megabytes_comes_whole(dovecot: Dovecot, connection: Connection) -> None:
    large = mail(1, size=30_000_000)
    dovecot.deliver(large)
    await connection.ask_for_news()
    [uid] = await connection.search("UID 1:*")
    body = (await connection.bodies([uid]))[uid]
    assert body.endswith(large)


async def test_mails_that_are_gone_are_left_out(dovecot: Dovecot, connection: Connection) -> None:
    dovecot.deliver(mail(1))
    await connection.ask_for_news()
    [uid] = await connection.search("UID 1:*")
    assert [item.uid for item in await connection.items([uid, uid + 1])] == [uid]
    assert list(await connection.bodies([uid, uid + 1])) == [uid]
    assert await connection.header(uid + 1) == b""


async def test_a_server_that_dies_while_it_is_waited_for_is_noticed(dovecot: Dovecot, connection: Connection) -> None:
    await connection.search("UID 1:*")
    waiting = asyncio.create_task(connection.wait_for_news(600))
    await asyncio.sleep(0.3)
    dovecot.cut()
    async with asyncio.timeout(30):
        with pytest.raises(NotReachable):
            await waiting
    with pytest.raises(NotReachable):
        await connection.search("UID 1:*")


def test_what_is_asked_of_a_connection_that_is_gone_is_told_as_such_on_the_loop_of_production_too(
    dovecot: Dovecot,
) -> None:
    async def ask_too_late() -> None:
        connection = await Connection.open(server(dovecot.port))
        await connection.select("INBOX")
        dovecot.cut()
        await connection._lost
        with pytest.raises(NotReachable):
            await connection.search("ALL")
        await connection.close()

    uvloop.run(ask_too_late())


async def test_a_wrong_password_is_told_and_not_shown(dovecot: Dovecot) -> None:
    async def wrong() -> str:
        return 'no"pe\\'

    with pytest.raises(BadCredentials) as raised:
        await Connection.open(Server(host="127.0.0.1", port=dovecot.port, user=USER, secret=wrong))
    assert "nope" not in str(raised.value)
    assert USER in str(raised.value)


# --- with a hostile one ---


async def hostile_connection(imap: HostileImap, within: float = 20.0) -> Connection:
    return await Connection.open(server(imap.port, timeout=within))


@pytest.mark.parametrize("greeting", [None, "", "* BYE too many connections"])
async def test_a_greeting_that_does_not_come_is_not_reachable(greeting: str | None) -> None:
    async with HostileImap(greeting=greeting) as imap:
        with pytest.raises(NotReachable):
            await hostile_connection(imap, within=2)


async def test_nobody_listening_is_not_reachable(unused_tcp_port: int) -> None:
    with pytest.raises(NotReachable):
        await Connection.open(server(unused_tcp_port))


@pytest.mark.parametrize("answer", [None, ""])
async def test_a_command_that_is_not_answered_ends_in_bounded_time(answer: str | None) -> None:
    async with HostileImap(LOGGED_IN | {"UID SEARCH": answer}) as imap:
        connection = await hostile_connection(imap, within=2)
        folder = await connection.select("INBOX")
        assert (folder.validity, folder.next_uid) == (7, 4)
        begun = time.monotonic()
        for _ in range(3):
            with pytest.raises(NotReachable):
                await connection.search("UID 4:*")
        await connection.close()
        assert time.monotonic() - begun < 60


@pytest.mark.parametrize("answer", [None, ""])
async def test_a_server_that_goes_before_it_idles_is_noticed(answer: str | None) -> None:
    async with HostileImap(LOGGED_IN | {"IDLE": answer}) as imap:
        connection = await hostile_connection(imap, within=2)
        await connection.select("INBOX")
        await connection.search("UID 4:*")
        async with asyncio.timeout(30):
            with pytest.raises(NotReachable):
                await connection.wait_for_news(600)
        await connection.close()


async def test_a_server_that_goes_while_it_idles_is_noticed() -> None:
    async with HostileImap(LOGGED_IN | {"IDLE": "+ idling {tag}"}) as imap:
        connection = await hostile_connection(imap)
        await connection.select("INBOX")
        await connection.search("UID 4:*")
        waiting = asyncio.create_task(connection.wait_for_news(600))
        await asyncio.sleep(0.1)
        imap.say("* OK Still here")
        await asyncio.sleep(0.1)
        assert not waiting.done(), "that was no news"
        imap.say("* BYE idle for too long")
        imap.cut()
        async with asyncio.timeout(30):
            with pytest.raises(NotReachable):
                await waiting
        await connection.close()


async def test_a_server_that_does_not_end_its_idling_is_left() -> None:
    async with HostileImap(LOGGED_IN | {"IDLE": "+ idling {tag}", "DONE": ""}) as imap:
        connection = await hostile_connection(imap, within=2)
        await connection.select("INBOX")
        await connection.search("UID 4:*")
        with pytest.raises(NotReachable):
            await connection.wait_for_news(0.05)
        await connection.close()


async def test_an_idle_that_is_refused_leaves_the_connection_as_it_is() -> None:
    async with HostileImap(LOGGED_IN | {"IDLE": "{tag} NO not today", "UID SEARCH": "* SEARCH 4 5"}) as imap:
        connection = await hostile_connection(imap)
        await connection.select("INBOX")
        await connection.search("UID 4:*")
        with pytest.raises(CommandRefused, match="not today"):
            await connection.wait_for_news(600)
        assert await connection.search("UID 4:*") == [4, 5]
        await connection.close()


async def test_a_beginning_that_is_not_as_long_as_the_mail_is_said_to_be_is_not_taken_for_it() -> None:
    lines = (
        "* 1 FETCH (UID 4 RFC822.SIZE 90 BODY[]<0> {3}\r\nabc)\r\n"
        "* 2 FETCH (UID 5 RFC822.SIZE 3 BODY[]<0> {3}\r\n(()\r\n FLAGS ())\r\n"
        '* 3 FETCH (UID 6 RFC822.SIZE 0 BODY[]<0> "")\r\n'
        "* 4 FETCH (UID 7 RFC822.SIZE 3)"
    )
    async with HostileImap(LOGGED_IN | {"UID FETCH": lines}) as imap:
        connection = await hostile_connection(imap, within=20)
        await connection.select("INBOX")
        described = await connection.items([4, 5, 6, 7], below=100)
        assert [(item.uid, item.size, item.mail) for item in described] == [
            (4, 90, None), (5, 3, b"(()"), (6, 0, b""), (7, 3, None),
        ]  # fmt: skip
        await connection.close()


async def test_a_refused_token_is_told_as_such() -> None:
    script = {
        "AUTHENTICATE": "+ eyJzdGF0dXMiOiI0MDAifQ== {tag}",
        "EMPTY": "{tag} NO [AUTHENTICATIONFAILED] Invalid credentials",
    }
    async with HostileImap(script) as imap:
        with pytest.raises(BadCredentials, match="Invalid credentials"):
            await Connection.open(
                Server(host="127.0.0.1", port=imap.port, user=USER, secret=password, mechanism="xoauth2", timeout=30)
            )


async def test_a_server_with_no_time_to_log_us_in_is_tried_again() -> None:
    async with HostileImap({"LOGIN": "{tag} NO [UNAVAILABLE] Temporary authentication failure."}) as imap:
        with pytest.raises(NotReachable):
            await hostile_connection(imap)


async def test_nonsense_from_a_server_ends_the_connection_alone() -> None:
    async with HostileImap(LOGGED_IN | {"UID SEARCH": "ZZ99 OK who am I {tag}"}) as imap:
        connection = await hostile_connection(imap)
        await connection.select("INBOX")
        with pytest.raises(NotReachable):
            await connection.search("UID 4:*")
        await connection.close()


async def test_more_lines_than_the_library_bears_end_the_connection_alone() -> None:
    lines = "\r\n".join(f"* {number} FETCH (UID {number} RFC822.SIZE 1)" for number in range(1, 3_000))
    async with HostileImap(LOGGED_IN | {"UID FETCH": lines}) as imap:
        connection = await hostile_connection(imap)
        await connection.select("INBOX")
        async with asyncio.timeout(30):
            with pytest.raises(NotReachable):
                await connection.items([1])
        await connection.close()


# --- pure ---


def test_an_answer_to_fetch_is_read_in_any_order() -> None:
    lines = [
        b"1 FETCH (UID 5 BODY[] {3}", bytearray(b"abc"), b")",
        b"2 FETCH (FLAGS (\\Seen))",
        b"3 FETCH (BODY[] {2}", bytearray(b"de"), b" UID 7)",
        b'4 FETCH (UID 8 BODY[] "")',
        b"5 FETCH (UID 9 BODY[] NIL)",
        b"Fetch completed (0.001 secs).",
    ]  # fmt: skip
    assert [(uid, body) for uid, _, body in fetched(lines)] == [(5, b"abc"), (7, b"de"), (8, b""), (9, None)]


@pytest.mark.parametrize(
    ("uids", "written"), [([1], "1"), ([3, 1, 2], "1:3"), ([1, 2, 4, 6, 7], "1:2,4,6:7"), ([], "")]
)
def test_uids_are_written_short(uids: list[int], written: str) -> None:
    assert uid_set(uids) == written


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("INBOX", '"INBOX"'),
        ("Sent Items", '"Sent Items"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("A & B", '"A &- B"'),
        ("Отправленные", '"&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"'),
        ("Entwürfe", '"Entw&APw-rfe"'),
    ],
)
def test_a_folder_may_have_any_name(name: str, written: str) -> None:
    assert mailbox_name(name) == written


@pytest.mark.parametrize(
    ("written", "at"),
    [
        (b'INTERNALDATE "17-Jul-1996 02:44:25 -0730"', 837_598_465_000),
        (b'INTERNALDATE " 1-jul-1996 02:44:25 +0200"', 836_181_865_000),
        (b'INTERNALDATE "31-Feb-1996 02:44:25 +0000"', 0),
        (b'INTERNALDATE "17-Jux-1996 02:44:25 +0000"', 0),
        (b'INTERNALDATE "yesterday"', 0),
        (b"INTERNALDATE NIL", 0),
    ],
)
def test_the_time_of_arrival_is_read(written: bytes, at: int) -> None:
    assert arrival(b"1 FETCH (UID 5 " + written + b")") == at
