"""What we ask of Twilio fits what Twilio has published.

The simulator's own table of parameters is always a source. ``TRUNKLINE_TWILIO_OPENAPI`` may name a file with Twilio's
OpenAPI description of ``/Messages`` (https://github.com/twilio/twilio-oai), which is then a second one.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from msgspec import Struct
from multidict import MultiDict

from adapters.testing.simulator import Said
from adapters.testing.twilio import ACCOUNT, TEMPLATE, TEMPLATE_TEXT, TwilioSimulator
from adapters.testing.twilio_rules import PARAMETERS, Parameter, Refusal, check, faults
from adapters.twilio.settings import TwilioSettings
from config import Duration, load
from normalizer.content import Content, Location, Media, StoredFile, Template, Text
from tests.adapters.twilio.conftest import Connect, Line

VARIABLE = "TRUNKLINE_TWILIO_OPENAPI"
WHATSAPP, CUSTOMER = "whatsapp:+14155550199", "whatsapp:+48600100200"
MESSAGES = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
FORMATS = {"uri": "https?://.+", "phone-number": r"(whatsapp:)?(\+[0-9]+|[A-Z]{2}\.[A-Za-z0-9.]+)"}


def published(path: Path) -> Mapping[str, Parameter]:
    """The parameters of a new message as Twilio describes them."""
    post = json.loads(path.read_text())["paths"][MESSAGES]["post"]
    schema = post["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    return {name: _parameter(described) for name, described in schema["properties"].items()}


def _parameter(described: dict[str, Any]) -> Parameter:
    one = described.get("items", described)
    pattern = one.get("pattern", "").removeprefix("^").removesuffix("$") or FORMATS.get(one.get("format", ""))
    return Parameter(pattern=pattern or "(?s:.*)", many=described.get("type") == "array")


SOURCES = {"ours": PARAMETERS} | (
    {"published": published(Path(os.environ[VARIABLE]))} if VARIABLE in os.environ else {}
)
PICTURE = Media(file=StoredFile(name="f", size=1, key="k"), type="image/png")
CONTENTS: Mapping[str, Content] = {
    "text": Text(text="Hello & żółw"),
    "file": PICTURE,
    "place": Location(latitude=52.2, longitude=21, name="Us"),
    "template": Template(name="order_ready", text="", variables={"1": "Ola", "2": "#7"}),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", CONTENTS)
async def test_a_new_message_fits(line: Line, source: str, kind: str) -> None:
    await line.adapter.send(line.message(CONTENTS[kind]))
    form = MultiDict(parse_qsl(line.simulator.requests[0].body.decode(), keep_blank_values=True))
    assert faults(form, SOURCES[source]) == []
    assert line.simulator.requests[0].path == MESSAGES.format(AccountSid=line.adapter.settings.account_sid)


@pytest.mark.parametrize("source", SOURCES)
async def test_a_message_of_a_service_fits(connect: Connect, source: str) -> None:
    line = await connect(numbers=[], messaging_service_sid="MG" + "d4" * 16, catch_up=Duration(0))
    await line.answer()
    form = MultiDict(parse_qsl(line.simulator.requests[0].body.decode()))
    assert faults(form, SOURCES[source]) == []


@pytest.mark.parametrize("source", SOURCES)
def test_the_simulator_takes_nothing_that_is_not_published(source: str) -> None:
    assert set(PARAMETERS) <= set(SOURCES[source])
    assert [name for name in PARAMETERS if PARAMETERS[name].many != SOURCES[source][name].many] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": None}, 21604),
        ({"To": "whatsapp:600100200"}, 21211),
        ({"From": None}, 21603),
        ({"From": "whatsapp:+1"}, 63007),
        ({"From": "+1"}, 21606),
        ({"From": "+14155550100"}, 21910),
        ({"Body": None}, 21619),
        ({"Body": "x" * 1_601}, 21617),
        ({"Body": "😀" * 801}, 21617),
        ({"Colour": "red"}, 20001),
        ({"MediaUrl": "file:///etc/passwd"}, 20001),
        ({"StatusCallback": "https://a_b.example/"}, 21609),
        ({"ContentVariables": "{}"}, 21654),
        ({"ContentSid": TEMPLATE}, 20001),
        ({"ContentSid": "HX" + "0" * 32, "Body": None}, 21655),
        ({"ContentSid": TEMPLATE, "Body": None}, 21656),
        ({"ContentSid": TEMPLATE, "Body": None, "ContentVariables": '{"1": "a", "2": ""}'}, 21656),
        ({"ContentSid": TEMPLATE, "Body": None, "ContentVariables": '{"1": "a", "2": null}'}, 21656),
        ({"ContentSid": TEMPLATE, "Body": None, "ContentVariables": "x"}, 21656),
    ],
)
def test_the_simulator_is_strict(changes: dict[str, str | None], code: int) -> None:
    plain: dict[str, str | None] = {"To": CUSTOMER, "From": WHATSAPP, "Body": "Hello"}
    form = MultiDict({key: value for key, value in {**plain, **changes}.items() if value is not None})
    with pytest.raises(Refusal) as caught:
        check(form, {WHATSAPP: "", "+14155550100": ""}, {TEMPLATE: TEMPLATE_TEXT})
    assert caught.value.code == code


def test_the_simulator_takes_one_file_a_message_on_whatsapp() -> None:
    form = MultiDict([("To", CUSTOMER), ("From", WHATSAPP), ("MediaUrl", "https://a/1"), ("MediaUrl", "https://a/2")])
    with pytest.raises(Refusal) as caught:
        check(form, {WHATSAPP: ""}, {})
    assert caught.value.code == 21623


class Channels(Struct):
    whatsapp: TwilioSettings


async def test_what_trunkline_fake_prints_are_right_settings(tmp_path: Path) -> None:
    async with TwilioSimulator() as simulator:
        (tmp_path / "channel.yaml").write_text(simulator.settings(simulator.url))
        simulator.trunkline = simulator.url
        with pytest.raises(ValueError, match="channels/whatsapp/messages answered with status 404"):
            await simulator.say(Said(text="Hello"))
    assert load(tmp_path / "channel.yaml", Channels, env={}).value.whatsapp.account_sid == ACCOUNT
