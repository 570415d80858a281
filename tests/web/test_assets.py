import pytest

from web.assets import built


@pytest.mark.parametrize(
    ("part", "name", "kind"), [("widget", "chat.js", "text/javascript"), ("desk", "index.html", "text/html")]
)
def test_built_files_are_served_with_their_media_type(part: str, name: str, kind: str) -> None:
    assert part in ("widget", "desk")
    asset = built(part)[name]
    assert asset.type == kind
    assert asset.body
