"""Everything that an operator may write, drawn by hypothesis: for the proof that a channel's limits are kept."""

from hypothesis import strategies as st

from adapters.testing.context import FakeMedia
from normalizer.capabilities import Capabilities
from normalizer.content import Choice, ContactCard, Content, Form, Location, Media, Option, StoredFile, Text

TYPES = ("image/jpeg", "image/png", "video/mp4", "audio/ogg", "application/pdf", "application/octet-stream")
REAL_BYTES = 1_000_000
"""Files up to this size have bytes; a larger one is only drawn where it is over the limit, and becomes a link."""

MOST_TEXT = 10_000
WORDS = st.sampled_from(
    ["Hello", "<b>", "&", "*", "_x_", "[a](b)", "\U0001f44d", "e\u0301", "\u0431\u0443\u0434\u044c"]
)


def texts(capabilities: Capabilities) -> st.SearchStrategy[str]:
    """Give texts around the limit of a channel, with what has a meaning in somebody's markup."""
    longest = min(3 * capabilities.text_limit, MOST_TEXT)
    words = st.lists(st.one_of(WORDS, st.text(min_size=1, max_size=20)), min_size=1, max_size=30).map(" ".join)
    return st.tuples(words, st.integers(0, longest)).map(lambda drawn: _grown(*drawn)).filter(lambda t: bool(t.strip()))


def contents(capabilities: Capabilities, files: FakeMedia) -> st.SearchStrategy[tuple[Content, ...]]:
    """Give one content of each kind that an operator can write. Their files are kept in ``files``."""
    text = texts(capabilities)
    labels = st.text(min_size=1, max_size=2 * min(capabilities.button_limit, 50)).filter(lambda t: bool(t.strip()))
    media = st.sampled_from(TYPES).flatmap(lambda type_: medias(capabilities, files, type_, text))
    options = st.lists(labels, min_size=1, max_size=min(capabilities.buttons, 20) + 2).map(_options)
    return st.tuples(
        st.builds(Text, text=text),
        st.builds(Text, text=text, subject=st.just("A subject"), attachments=st.lists(media, max_size=2).map(tuple)),
        media,
        st.builds(Choice, text=text, options=options),
        st.builds(Location, latitude=st.just(52.2), longitude=st.just(21.0), name=st.just("Warsaw")),
        st.builds(ContactCard, name=st.just("Anna"), phones=st.just(("+48221234567",))),
        st.builds(Form, answers=st.dictionaries(st.just("Name"), text)),
    )


def medias(
    capabilities: Capabilities, files: FakeMedia, type_: str, caption: st.SearchStrategy[str]
) -> st.SearchStrategy[Media]:
    """Give files of a type, small, just small enough, and too big."""
    limit = capabilities.max_file_size(type_)
    sizes = st.sampled_from(sorted({1, min(max(limit, 1), REAL_BYTES), limit + 1}))
    return st.builds(_media, st.just(files), st.just(limit), st.just(type_), sizes, st.one_of(st.just(""), caption))


def _grown(words: str, length: int) -> str:
    return (words * (length // len(words) + 1))[: max(length, 1)]


def _options(labels: list[str]) -> tuple[Option, ...]:
    return tuple(Option(id=f"o{number}", label=label) for number, label in enumerate(labels))


def _media(files: FakeMedia, limit: int, type_: str, size: int, caption: str) -> Media:
    return Media(file=_file(files, limit, size), type=type_, filename="a file.bin", caption=caption)


def _file(files: FakeMedia, limit: int, size: int) -> StoredFile:
    if size > limit:
        return StoredFile(name="too-big", size=size, key="none")
    return files.add(bytes(size))
