"""The file of a workspace, read with the channels that stand in it."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.registry import BUILT_IN
from broker.settings.source import Source, channel_problem, decode_source, read_source
from config import ConfigErrors, read
from tests.broker.settings.test_workspace import WHOLE

LACKING = {
    "webchat": BUILT_IN["webchat"],
    "webhook": BUILT_IN["webhook"],
    "telegram": "tests.adapters.lacking:Telegram",
}


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "trunkline.yaml"
    file.write_text(text)
    return file


def mistakes(tmp_path: Path, channel: str) -> list[str]:
    text = WHOLE.replace("operators:", f"  other: {channel}\noperators:", 1)
    with pytest.raises(ConfigErrors) as caught:
        decode_source(read(written(tmp_path, text)), {}, LACKING)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def source(tmp_path: Path) -> Source:
    return read_source(written(tmp_path, WHOLE), {})


def test_only_the_channels_of_the_file_are_loaded(tmp_path: Path) -> None:
    assert set(source(tmp_path).types) == {"webchat"}


def test_a_channel_whose_libraries_are_missing_hurts_nobody_who_does_not_use_it(tmp_path: Path) -> None:
    assert decode_source(read(written(tmp_path, WHOLE)), {}, LACKING).settings.channels


def test_a_channel_whose_libraries_are_missing_is_told_where_it_stands_and_nothing_else(tmp_path: Path) -> None:
    (only,) = mistakes(tmp_path, "{type: telegram, token: abc}")
    assert only.startswith("trunkline.yaml:5:11: channels.other.type: ")
    assert "pip install 'trunkline[telegram]'" in only


def test_a_wrong_type_names_the_nearest_right_one_although_it_is_not_loaded(tmp_path: Path) -> None:
    (only,) = mistakes(tmp_path, "{type: telegrm, token: abc}")
    assert 'did you mean "telegram"?' in only
    assert "webhook" in only


def test_a_channel_without_a_type_is_told_which_there_are(tmp_path: Path) -> None:
    (only,) = mistakes(tmp_path, "{token: abc}")
    assert 'the key "type" is missing; allowed: telegram, webchat, webhook' in only


def test_a_channel_is_not_called_like_a_part_of_trunkline(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"channels.desk: .*another name"):
        read_source(written(tmp_path, WHOLE.replace("  site:", "  desk:")), {})


def test_a_setting_that_a_channel_refuses_is_told_with_its_line(tmp_path: Path) -> None:
    problem = channel_problem(source(tmp_path).document, "site", "origins.0", "nobody is there")
    assert str(problem).replace(f"{tmp_path}/", "") == "trunkline.yaml:4:35: channels.site.origins[0]: nobody is there"


def test_no_provider_s_library_is_imported_for_a_file_that_does_not_need_it(tmp_path: Path) -> None:
    file = written(tmp_path, WHOLE)
    code = "import sys, pathlib; from broker.settings.source import read_source"
    code += f"; read_source(pathlib.Path({str(file)!r}), {{}})"
    code += "; found = {'aiogram', 'twilio', 'aioimaplib', 'telegram'} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)  # noqa: S603  # our own words
