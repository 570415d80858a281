import msgspec
import pytest

from normalizer.capabilities import Capabilities

CAPABILITIES = Capabilities(media={"image/*": 10, "image/gif": 5, "*/*": 50})


@pytest.mark.parametrize(
    ("media_type", "size"), [("image/gif", 5), ("image/png", 10), ("video/mp4", 50), ("image", 10), ("", 50)]
)
def test_the_most_precise_pattern_decides(media_type: str, size: int) -> None:
    assert CAPABILITIES.max_file_size(media_type) == size


def test_a_type_without_pattern_is_not_taken() -> None:
    assert Capabilities().max_file_size("image/png") == 0


def test_only_files_of_some_types_bear_a_caption() -> None:
    some = Capabilities(caption_limit=20, captions=frozenset({"image/*", "video/mp4"}))
    found = {type_: some.max_caption(type_) for type_ in ("image/png", "video/mp4", "video/webm", "application/pdf")}
    assert found == {"image/png": 20, "video/mp4": 20, "video/webm": 0, "application/pdf": 0}
    assert Capabilities(caption_limit=20).max_caption("application/pdf") == 20
    assert Capabilities().max_caption("image/png") == 0


@pytest.mark.parametrize(
    "wrong", ['{"media":{"*/png":1}}', '{"media":{"image":1}}', '{"text_limit":3}', '{"kinds":["text"]}']
)
def test_a_declaration_that_makes_no_sense_is_refused(wrong: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(wrong, type=Capabilities)
