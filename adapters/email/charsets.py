"""Bytes to text, whatever the mail says their charset is. Never raises."""

import codecs
import encodings
import pkgutil
from encodings.aliases import aliases
from functools import lru_cache

from charset_normalizer import from_bytes

SAMPLE = 16 * 1024
"""Bytes that are looked at to guess a charset."""

ALIASES: dict[str, str] = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "iso-8859-8-i": "iso-8859-8",
    "unicode-1-1-utf-7": "utf-7",
    "cp-850": "cp850",
    "utf8mb4": "utf-8",
}
"""What is declared, and what is meant (WHATWG Encoding, and mail programs' own words)."""

_NO_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"})
"""Python calls these encodings; no mail is written in them, and some take quadratic time."""

_ENCODINGS = frozenset(aliases) | {module.name for module in pkgutil.iter_modules(encodings.__path__)}
"""All that Python knows: it looks for any other name on the disk and remembers each for ever that it has not found."""

_RUSSIAN = ("cp1251", "koi8_r")
_LIKELY = ["cp1251", "koi8_r", "cp1250", "cp1252", "iso8859_2"]


def decode(data: bytes, declared: str = "", *, cut: bool = False, guessing: bool = True) -> str:
    """Decode as declared, else as UTF-8, else, with ``guessing``, as what it looks like, else as Latin-1.

    ``cut``: the data goes on, so a character that is not complete at the end is left out.
    """
    for charset in (declared, "utf-8"):
        text = _strictly(data, charset, cut=cut)
        if text is not None:
            return text
    text = _strictly(data, guess(data), cut=cut) if guessing else None
    return data.decode("cp1252", "replace") if text is None else text


def guess(data: bytes) -> str:
    """Say which charset data looks like, or nothing; takes some hundredths of a second.

    The likely ones are tried first: a short line of Russian also reads as Chinese. The two of Russian read as the other
    with upper and lower case exchanged, and people write in lower case.
    """
    sample = data[:SAMPLE]
    best = from_bytes(sample, cp_isolation=_LIKELY).best() or from_bytes(sample).best()
    found = best.encoding if best else ""
    return max(_RUSSIAN, key=lambda charset: _small_letters(sample, charset)) if found in _RUSSIAN else found


def _small_letters(sample: bytes, charset: str) -> int:
    return sum(map(str.islower, sample.decode(charset, "replace")))


def _strictly(data: bytes, charset: str, *, cut: bool) -> str | None:
    try:
        codec = _codec(charset)
        return None if codec is None else codecs.getincrementaldecoder(codec)().decode(data, final=not cut)
    except (LookupError, ValueError):
        return None


@lru_cache(maxsize=256)
def _codec(charset: str) -> str | None:
    """Give Python's name of a charset, None where it is none. Raises LookupError, ValueError."""
    name = charset.strip().strip("\"'").lower()
    name = encodings.normalize_encoding(ALIASES.get(name, name))
    if name not in _ENCODINGS:
        return None
    codec = codecs.lookup(name)
    if codec.name in _NO_CHARSETS:
        return None
    if not codec._is_text_encoding:  # noqa: SLF001  # bytes.decode looks at the same mark
        return None
    return codec.name
