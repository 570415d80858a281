"""What customers write, from the signed webhook to the envelope."""

import asyncio
from typing import Any

import msgspec
import pytest

from adapters.errors import EnvelopeRefused, NotAccepted
from adapters.testing.context import FakeMemory
from adapters.testing.steps import Answer
from adapters.testing.twilio import CUSTOMER, OWN, OWN_SMS, File, Write
from adapters.twilio.mapping import Trace
from adapters.twilio.settings import MediaSettings
from config import Size
from normalizer.content import Choice, ContactCard, Content, Location, Media, Option, Text, Unsupported
from tests.adapters.twilio.conftest import ADDRESS, Connect, Line

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00" + b"\x00" * 64
OGG = b"OggS\x00\x02" + b"\x00" * 22 + b"\x01\x13OpusHead" + b"\x00" * 64
PDF = b"%PDF-1.4\n" + b"x" * 100
CARD = b"""BEGIN:VCARD\r
FN:Jan Nowak\r
item1.TEL;type=CELL:+48 22 123 45 67\r
EMAIL:jan@a.example\r
END:VCARD\r
"""


async def written(line: Line, **said: Any) -> Content:  # noqa: ANN401 - any field
    await line.simulator.write(Write(**said))
    assert line.simulator.answers[-1] == 200
    assert len(line.context.accepted) == 1
    return line.context.accepted[0].content


async def test_a_text_becomes_an_envelope_with_all_that_an_answer_needs(line: Line) -> None:
    sid = await line.simulator.write(
        Write(body="Czy wysyłacie?\u202e", name="Ola\u202e\n", more={"New": "from Twilio"})
    )
    (envelope,) = line.context.accepted
    assert (envelope.channel, envelope.type, envelope.native_id, envelope.address) == ("test", "twilio", sid, ADDRESS)
    assert envelope.content == Text(text="Czy wysyłacie?\u202e")
    assert envelope.sender.name == "Ola"
    assert envelope.at == line.context.now()
    assert envelope.attributes == {"to": OWN, "message_type": "text"}
    trace = msgspec.json.decode(envelope.channel_data, type=Trace)
    assert trace == Trace(to=CUSTOMER, own=OWN, sid=sid, at=line.context.now())
    assert line.simulator.answers == [200]


async def test_an_sms_has_an_address_of_its_own(line: Line) -> None:
    await line.simulator.write(Write(sender="+48600100200", to=OWN_SMS, body="Hi"))
    assert line.context.accepted[0].address == "tel:+48600100200"


async def test_a_customer_who_hides_the_number_has_an_address(line: Line) -> None:
    await line.simulator.write(Write(sender="whatsapp:US.13491208655302741918", body="Hi"))
    (envelope,) = line.context.accepted
    assert envelope.address == "whatsapp:test/US.13491208655302741918"
    await line.answer(address=envelope.address)
    assert line.simulator.sent[0].to == "whatsapp:US.13491208655302741918"


async def test_a_customer_who_hides_the_number_later_stays_the_same(line: Line) -> None:
    bsuid = "US.13491208655302741918"
    await line.simulator.write(Write(body="before", more={"ExternalUserIdentifier": bsuid}))
    await line.simulator.write(Write(sender=f"whatsapp:{bsuid}", body="after"))
    assert [one.address for one in line.context.accepted] == [ADDRESS, ADDRESS]
    await line.answer()
    assert line.simulator.sent[0].to == f"whatsapp:{bsuid}", "the answer goes to whom the customer is now"


async def test_a_short_code_has_an_address_of_its_channel(line: Line) -> None:
    await line.simulator.write(Write(sender="32665", to=OWN_SMS, body="Your code"))
    assert line.context.accepted[0].address == "twilio:test/32665"


async def test_two_ways_to_write_a_number_are_one_customer_and_the_answer_goes_where_it_came_from(line: Line) -> None:
    await line.simulator.write(Write(sender="whatsapp:+553187654321", body="Oi"))
    assert line.context.accepted[0].address == "whatsapp:+5531987654321"
    await line.answer(address="whatsapp:+5531987654321")
    assert line.simulator.sent[0].to == "whatsapp:+553187654321"


async def test_a_picture_is_stored_once_and_has_its_caption(line: Line) -> None:
    content = await written(line, body="look", media=[File(type="image/jpeg", data=PNG)])
    assert isinstance(content, Media)
    assert (content.type, content.caption, content.file.size) == ("image/png", "look", len(PNG))
    assert line.context.media.files[content.file.name] == PNG  # type: ignore[attr-defined] # the fake one
    kept = line.simulator.messages[line.context.accepted[0].native_id]
    assert await line.simulator.deliver(kept.sid) == 200
    assert len(line.context.media.files) == 1  # type: ignore[attr-defined] # as above
    again = line.context.accepted[1]
    assert (again.native_id, again.content) == (kept.sid, content)


async def test_credentials_are_shown_to_the_api_and_not_to_where_it_redirects(line: Line) -> None:
    await written(line, media=[File(type="image/png", data=PNG)])
    fetched = [request for request in line.simulator.requests if request.method == "GET"]
    assert [request.path.split("/")[1] for request in fetched] == ["2010-04-01", "_cdn"]
    assert ["Authorization" in request.headers for request in fetched] == [True, False]


async def test_several_files_are_one_message_in_their_order(line: Line) -> None:
    content = await written(
        line, body="two", media=[File(type="image/png", data=PNG), File(type="application/pdf", data=PDF)]
    )
    assert isinstance(content, Text)
    assert content.text == "two"
    assert [file.type for file in content.attachments] == ["image/png", "application/pdf"]


async def test_a_voice_note_is_one(line: Line) -> None:
    content = await written(line, media=[File(type="audio/ogg", data=OGG)])
    assert isinstance(content, Media)
    assert (content.type, content.voice) == ("audio/ogg", True)


async def test_a_contact_is_read(line: Line) -> None:
    content = await written(line, media=[File(type="text/vcard", data=CARD)])
    assert content == ContactCard(name="Jan Nowak", phones=("+48 22 123 45 67",), emails=("jan@a.example",))


@pytest.mark.parametrize(
    ("more", "content"),
    [
        (
            {"Latitude": "52.2297", "Longitude": "21.0122", "Label": "Us", "Address": "Rynek 1"},
            Location(latitude=52.2297, longitude=21.0122, name="Us", address="Rynek 1"),
        ),
        (
            {"ButtonPayload": "yes", "ButtonText": "Yes, please", "Body": "Yes, please"},
            Choice(options=(Option(id="yes", label="Yes, please"),), chosen="yes"),
        ),
        (
            {"ListId": "l7", "ListTitle": "Lodz", "Body": "Lodz"},
            Choice(options=(Option(id="l7", label="Lodz"),), chosen="l7"),
        ),
        ({"MessageType": "hologram"}, Unsupported(what="hologram")),
        ({"Latitude": "NaN", "Longitude": "1", "Body": "here"}, Text(text="here")),
        ({"Body": " "}, Unsupported(what="text")),
    ],
)
async def test_other_kinds(line: Line, more: dict[str, str], content: Content) -> None:
    assert await written(line, more=more) == content


async def test_what_is_answered_and_where_it_came_from_is_told(line: Line) -> None:
    referral = {"ReferralHeadline": "Sale", "ReferralSourceUrl": "https://fb.example/1", "Forwarded": "true"}
    await line.simulator.write(Write(body="this one", more={"OriginalRepliedMessageSid": "SM1", **referral}))
    (envelope,) = line.context.accepted
    assert envelope.reply_to == "SM1"
    assert envelope.attributes["referral_headline"] == "Sale"
    assert envelope.attributes["referral_source_url"] == "https://fb.example/1"
    assert envelope.attributes["forwarded"] == "true"


async def test_what_is_not_stored_is_refused_and_comes_again_through_the_fallback(line: Line) -> None:
    line.context.failures.append(NotAccepted("not_stored", "the store does not take it now"))
    await line.simulator.write(Write(body="hello"))
    assert line.simulator.answers == [503, 200]
    assert [one.content for one in line.context.accepted] == [Text(text="hello")]


async def test_a_refused_envelope_is_acknowledged(line: Line) -> None:
    line.context.failures.append(EnvelopeRefused("envelope_refused", "too big"))
    await line.simulator.write(Write(body="hello"))
    assert line.simulator.answers == [200]


@pytest.mark.parametrize("fault", [Answer(status=500), Answer(status=429)])
async def test_a_file_that_cannot_be_had_now_keeps_the_message_at_twilio(line: Line, fault: Answer) -> None:
    line.simulator.will(fault, on="GET /_cdn")
    await line.simulator.write(Write(body="look", media=[File(type="image/png", data=PNG)]))
    assert line.simulator.answers == [503, 200], "the fallback brings it"
    assert isinstance(line.context.accepted[0].content, Media)


async def test_a_file_that_is_gone_is_told_behind_what_could_be_had(line: Line) -> None:
    line.simulator.will(Answer(status=404), on="GET /_cdn")
    sid = await line.simulator.write(Write(body="look", media=[File(type="image/png", data=PNG)]))
    text, lost = line.context.accepted
    assert (text.native_id, text.content) == (sid, Text(text="look"))
    assert lost.native_id == f"{sid}/lost"
    assert lost.content == Unsupported(what="a file (image/png) that does not lie at Twilio any more")


async def test_only_a_file_that_is_too_big_is_one_envelope(connect: Connect) -> None:
    line = await connect(media=MediaSettings(limit=Size(50)))
    sid = await line.simulator.write(Write(media=[File(type="image/png", data=PNG)]))
    (envelope,) = line.context.accepted
    assert (envelope.native_id, envelope.content) == (sid, Unsupported(what="a file (image/png) over 50 bytes"))


async def test_a_type_that_is_not_taken_in_is_told(connect: Connect) -> None:
    line = await connect(media=MediaSettings(types=["image/*"]))
    await line.simulator.write(Write(media=[File(type="image/png", data=PDF)]))
    what = "a file (image/png) that is application/pdf, which is not taken in"
    assert line.context.accepted[0].content == Unsupported(what=what)


async def test_a_stored_file_is_deleted_at_twilio_when_that_is_wished(connect: Connect) -> None:
    line = await connect(media=MediaSettings(delete=True))
    sid = await line.simulator.write(Write(media=[File(type="image/png", data=PNG)]))
    await line.adapter.close()
    assert line.simulator.messages[sid].files == {}


async def test_ten_photos_by_ten_webhooks_at_once_are_taken_in_the_order_of_arrival(line: Line) -> None:
    kept = [line.simulator.receive(Write(body=str(n), media=[File(type="image/png", data=PNG)])) for n in range(10)]
    statuses = await asyncio.gather(*(line.simulator.deliver(one.sid) for one in kept))
    assert statuses == [200] * 10
    assert sorted(one.native_id for one in line.context.accepted) == sorted(one.sid for one in kept)
    assert {one.address for one in line.context.accepted} == {ADDRESS}


async def test_a_text_does_not_overtake_a_picture_that_takes_long(line: Line) -> None:
    picture = line.simulator.receive(Write(media=[File(type="image/png", data=PNG)]))
    text = line.simulator.receive(Write(body="did you get it?"))
    first = asyncio.create_task(line.simulator.deliver(picture.sid))
    await line.simulator.wait_for(1)  # it asks for the picture
    await asyncio.gather(first, line.simulator.deliver(text.sid))
    assert [one.native_id for one in line.context.accepted] == [picture.sid, text.sid]


async def test_a_message_does_not_overtake_the_one_of_which_the_customer_is_being_noted(line: Line) -> None:
    class Slow(FakeMemory):
        """The first note takes long, the second does not."""

        async def save(self, key: str, value: bytes) -> None:
            if not self.notes:
                self.notes["begun"] = b""
                await asyncio.sleep(0.1)
            await super().save(key, value)

    line.context.memory = Slow()
    bsuid = {"ExternalUserIdentifier": "PL.1349"}
    first, second = line.simulator.receive(Write(body="one")), line.simulator.receive(Write(body="two"))
    await asyncio.gather(*(line.simulator.deliver(one.sid, more=bsuid) for one in (first, second)))
    assert [one.native_id for one in line.context.accepted] == [first.sid, second.sid]


async def test_what_nobody_can_read_lies_with_the_dead_letters(line: Line) -> None:
    assert await line.simulator.call(line.simulator.webhook, {"From": CUSTOMER}) == 200
    (letter,) = line.context.dead_letters
    assert (letter.reason, letter.detail) == ("unreadable", "there is no MessageSid")


async def test_json_bodies_are_read(line: Line) -> None:
    line.simulator.json = True
    assert await written(line, body="in JSON") == Text(text="in JSON")
