import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from normalizer.codec import EnvelopeRefused, decode_envelope, encode_envelope, envelope_schema, outbound_schema
from normalizer.content import (
    Call,
    Choice,
    ContactCard,
    Content,
    Delete,
    Edit,
    Form,
    Language,
    Location,
    Media,
    Option,
    Rating,
    Reaction,
    StoredFile,
    Template,
    Text,
    Unsupported,
)
from normalizer.envelope import ENVELOPE_VERSION, MAX_CHANNEL_DATA_BYTES, MAX_ENVELOPE_BYTES, Envelope, Sender

SAMPLES = Path(__file__).parent / "samples"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
VOICE = Media(
    file=StoredFile(name="c2Fs", size=48_211, key="a2V5", sha256=SHA256),
    type="audio/ogg",
    filename="note.ogg",
    caption="listen",
    duration=7_400,
    voice=True,
)
PHOTO = Media(
    file=StoredFile(name="cGhv", size=210_377, key="eWVr"),
    type="image/jpeg",
    filename="shoe.jpg",
    width=640,
    height=480,
)


def envelope(content: Content = Text(text="hi"), **fields: Any) -> Envelope:  # noqa: ANN401, B008 - any field; frozen
    given_fields: dict[str, Any] = {
        "id": "018bcfe5-6800-7000-8000-000000000001",
        "at": 1_700_000_000_000,
        "channel": "site",
        "type": "webchat",
        "native_id": "m-1",
        "address": "visitor:v1",
        **fields,
    }
    return Envelope(content=content, **given_fields)


FULL = envelope(
    Text(
        text="Where is my order?",
        language=Language(code="en", confidence=0.75),
        full="Where is my order?\n> On Monday you wrote",
        subject="Order 7",
        attachments=(PHOTO,),
    ),
    channel="mail",
    type="email",
    native_id="<1@shop.example>",
    address="email:anna@shop.example",
    sender=Sender(name="Anna Łoś", avatar="https://shop.example/a.png", languages=(Language(code="pl"),)),
    reply_to="<0@trunkline.example>",
    attributes={"page": "/checkout", "campaign": "spring"},
    channel_data=msgspec.Raw(b'{"references":["<0@trunkline.example>"]}'),
)

V1: dict[str, Envelope] = {
    "text": envelope(),
    "text-full": FULL,
    "media": envelope(VOICE),
    "location": envelope(Location(latitude=52.2297, longitude=21.0122, name="Office", address="Złota 44")),
    "contact": envelope(ContactCard(name="Jan", phones=("+48221234567",), emails=("jan@a.example",))),
    "choice": envelope(
        Choice(text="Which?", options=(Option(id="a", label="A", url="https://a.example"),), chosen="a")
    ),
    "reaction": envelope(Reaction(target="m-0", emoji="👍")),
    "edit": envelope(Edit(target="m-0", text="new")),
    "delete": envelope(Delete(target="m-0")),
    "call": envelope(
        Call(
            call="c1",
            event="ended",
            direction="out",
            sip=486,
            q850=17,
            reason="Busy",
            to="sip:anna@pbx.example",
            duration=61_000,
            recording=VOICE,
        )
    ),
    "form": envelope(Form(name="before", answers={"order": "7"})),
    "rating": envelope(Rating(score=4, scale=10, comment="fine")),
    "template": envelope(Template(name="order_ready", text="Order 7 is ready.", variables={"1": "7"})),
    "text-html": envelope(
        Text(
            text="See the picture",
            html=StoredFile(name="f2", size=90, key="k2"),
            attachments=(replace(PHOTO, inline="part1@shop.example"),),
        ),
        automatic=True,
    ),
    "unsupported": envelope(Unsupported(what="poll")),
}

TEMPLATE = (
    b'{"id":"i","at":%(at)b,"channel":"c","type":"t","native_id":%(native_id)b,"address":%(address)b,'
    b'"content":{"kind":"text","text":%(text)b},"channel_data":%(channel_data)b,"unknown":%(unknown)b}'
)
SMALL = {
    "at": b"1",
    "native_id": b'"n"',
    "address": b'"visitor:v"',
    "text": b'"x"',
    "channel_data": b"null",
    "unknown": b"1",
}


def wire(**fields: bytes) -> bytes:
    return TEMPLATE % {name.encode(): value for name, value in (SMALL | fields).items()}


@pytest.mark.parametrize("name", V1)
def test_a_stored_sample_of_version_1_still_means_the_same(name: str) -> None:
    sample = (SAMPLES / "v1" / f"{name}.json").read_bytes()
    assert decode_envelope(sample) == V1[name]
    assert json.loads(encode_envelope(V1[name])) == json.loads(sample)


def test_every_kind_of_content_has_a_sample_and_every_sample_is_looked_at() -> None:
    assert {type(sample.content) for sample in V1.values()} == set(get_args(Content))
    assert {path.stem for path in (SAMPLES / "v1").iterdir()} == set(V1)


def test_every_version_has_samples() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {f"v{number + 1}" for number in range(ENVELOPE_VERSION)}


def test_a_providers_own_id_may_hold_any_other_character() -> None:
    assert decode_envelope(wire(native_id='"a\u00a0\u200bü"'.encode())).native_id == "a\u00a0\u200bü"


def test_unknown_fields_are_left_out() -> None:
    assert decode_envelope(wire(unknown=b'{"deep":[1]}')).content == Text(text="x")


def test_channel_data_comes_back_as_it_was_and_holds_no_more_than_itself() -> None:
    data = bytes(decode_envelope(wire(channel_data=b'{"a": [1, "\xc3\xbc"]}')).channel_data)
    assert data == b'{"a": [1, "\xc3\xbc"]}'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Not an envelope"),
        (b"\xff\xfe", "Not an envelope"),
        (b"[]", "Expected `object`"),
        (b"{}", r"missing required field `id`"),
        (wire(at=b'"now"'), r"\$\.at"),
        (wire(at=b"-1"), r"\$\.at"),
        (wire(at=b"1" * 40), r"\$\.at"),
        (wire(text=b'"\xff"'), "Not an envelope"),
        (wire(text=rb'"\ud800"'), "Not an envelope"),
        (wire(text=b'"' + b"x" * 60_001 + b'"'), r"\$\.content\.text"),
        (wire(text=b"x" * MAX_ENVELOPE_BYTES), "262,144 are allowed"),
        (wire(unknown=b"[" * 100_000), "Not an envelope"),
        (wire(native_id=rb'"a\u0000"'), r"control character in `\$\.native_id`"),
        (wire(native_id=rb'"a\r\nNats-Msg-Id: b"'), r"control character in `\$\.native_id`"),
        (wire(address=b'"nobody"'), r"no scheme.*\$\.address"),
        (wire(address=b'"tel:+48 221234567"'), r"not normalised.*\$\.address"),
        (wire(channel_data=b'"' + b"x" * MAX_CHANNEL_DATA_BYTES + b'"'), "8,192 are allowed"),
        (wire(channel_data=b'"\xff"'), r"Not JSON.*\$\.channel_data"),
        (wire(channel_data=rb'"\ud800"'), "JSON is malformed"),
        (wire().replace(b'"id"', b'"v":2,"id"'), "version 2"),
        (wire().replace(b'"id"', b'"v":0,"id"'), r"\$\.v"),
        (wire().replace(b'"text"', b'"hologram"'), "hologram"),
    ],
)
def test_what_is_no_envelope_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(EnvelopeRefused, match=reason) as refused:
        decode_envelope(data)
    assert refused.value.reason == str(refused.value)


@pytest.mark.parametrize("attributes", [{str(number): "" for number in range(65)}, {"k" * 65: ""}, {"k": "v" * 1_001}])
def test_attributes_are_few_and_short(attributes: dict[str, str]) -> None:
    with pytest.raises(EnvelopeRefused, match="attributes"):
        encode_envelope(envelope(attributes=attributes))


@pytest.mark.parametrize(
    "wrong",
    [
        envelope(Text(text="\ud800")),
        envelope(Text(text="x" * 60_001)),
        envelope(sender=Sender(name="n" * 256)),
        envelope(address="nobody"),
        envelope(attributes={"object": object()}),
        envelope(channel_data=msgspec.Raw(b'"' + b"x" * MAX_CHANNEL_DATA_BYTES + b'"')),
        envelope(channel_data=msgspec.Raw(b"{")),
    ],
)
def test_an_adapter_cannot_write_what_the_router_would_not_read(wrong: Envelope) -> None:
    with pytest.raises(EnvelopeRefused):
        encode_envelope(wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SAMPLE_BYTES = [msgspec.json.encode(sample) for sample in V1.values()]


def decodes_or_is_refused(data: bytes) -> None:
    try:
        decoded = decode_envelope(data)
    except EnvelopeRefused:
        return
    assert decode_envelope(encode_envelope(decoded)) == decoded


@given(st.binary())
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    decodes_or_is_refused(data)


@given(JSON)
def test_any_json_decodes_or_is_refused(value: object) -> None:
    decodes_or_is_refused(json.dumps(value).encode())


@given(st.sampled_from(SAMPLE_BYTES), st.data())
def test_a_sample_with_any_field_replaced_decodes_or_is_refused(sample: bytes, data: st.DataObject) -> None:
    fields = json.loads(sample)
    target = data.draw(st.sampled_from([fields, fields["content"]]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(JSON)
    decodes_or_is_refused(json.dumps(fields, ensure_ascii=data.draw(st.booleans())).encode(errors="surrogatepass"))


@given(st.sampled_from(SAMPLE_BYTES), st.data())
def test_a_sample_with_any_bytes_replaced_decodes_or_is_refused(sample: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sample)))
    length = data.draw(st.integers(0, 6))
    decodes_or_is_refused(sample[:start] + data.draw(st.binary(max_size=6)) + sample[start + length :])


def test_the_schema_describes_the_envelope_and_every_kind_of_content() -> None:
    schema = envelope_schema()
    definitions = schema["$defs"]
    fields = definitions["Envelope"]["properties"]
    assert set(fields) == {field.name for field in msgspec.structs.fields(Envelope)}
    assert {kind.__name__ for kind in get_args(Content)} < set(definitions)
    assert all(definition["description"] for definition in definitions.values())
    assert "\n  " not in definitions["Media"]["description"]
    assert "8 KB" in fields["channel_data"]["description"]
    assert "taken in once" in fields["native_id"]["description"]
    assert json.dumps(schema)


def test_the_schema_of_outbound_messages_describes_them() -> None:
    assert "One message to one address" in outbound_schema()["$defs"]["Outbound"]["description"]
