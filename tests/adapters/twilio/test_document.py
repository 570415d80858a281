"""docs/twilio.md says what is so."""

import re
from pathlib import Path

from adapters.twilio import Twilio
from adapters.twilio.errors import MEANINGS
from adapters.twilio.settings import TwilioSettings
from broker.settings.source import read_source

HASH = "$argon2id$v=19$m=8,t=1,p=1$eIY4tC+LEIpol2xGicMsuw$SMrv6/jqRz8tPSkPmFsN/3Gjmt7u4zE230mBoiNyWQg"
PAGE = Path(__file__).parents[3] / "docs" / "twilio.md"


def test_the_example_is_a_right_workspace(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    file = tmp_path / "acme.yaml"
    file.write_text(example)
    loaded = read_source(file, {"TWILIO_AUTH_TOKEN": "0" * 32, "ANNA_PASSWORD_HASH": HASH})
    settings = loaded.settings.channels["whatsapp"]
    assert isinstance(settings, TwilioSettings)
    assert [template.name for template in Twilio.templates(settings)] == ["order_ready"]


def test_every_code_that_an_operator_may_read_is_explained() -> None:
    rows = re.findall(r"^\| (\d{5}) \| (.+?) \|", PAGE.read_text(), flags=re.MULTILINE)
    assert {int(code): sentence for code, sentence in rows} == {
        code: meaning.sentence for code, meaning in MEANINGS.items()
    }


def test_every_code_of_our_own_is_explained() -> None:
    source = "\n".join(file.read_text() for file in (PAGE.parents[1] / "adapters" / "twilio").glob("*.py"))
    found = re.findall(r'(?:Refused|OutcomeUnknown|TryLater|NotReachable)\(\s*"([a-z0-9_]+)"', source)
    assert [
        code for code in set(found) - {"unsupported", "not_told", "not_found"} if f"`{code}`" not in PAGE.read_text()
    ] == []
