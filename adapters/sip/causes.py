"""Why a call ended: SIP status codes (RFC 3261 section 21) and ITU-T Q.850 causes, translated into each other."""

import re
from collections.abc import Mapping

from msgspec import Struct

from normalizer.plain import clean_line

NORMAL_CLEARING = 16

TO_Q850: Mapping[int, int] = {
    400: 41,
    401: 21,
    402: 21,
    403: 21,
    404: 1,
    405: 63,
    406: 79,
    407: 21,
    408: 102,
    410: 22,
    413: 127,
    415: 79,
    420: 127,
    480: 18,
    481: 41,
    482: 25,
    483: 25,
    484: 28,
    485: 1,
    486: 17,
    488: 65,
    500: 41,
    501: 79,
    502: 38,
    503: 41,
    504: 102,
    505: 127,
    600: 17,
    603: 21,
    604: 1,
}
"""RFC 3398 section 8.2.6.1."""

TO_SIP: Mapping[int, int] = {
    1: 404,
    2: 404,
    3: 404,
    17: 486,
    18: 408,
    19: 480,
    20: 480,
    21: 603,
    22: 410,
    23: 410,
    26: 404,
    27: 502,
    28: 484,
    29: 501,
    31: 480,
    34: 503,
    38: 503,
    41: 503,
    42: 503,
    47: 503,
    55: 403,
    57: 403,
    58: 503,
    65: 488,
    70: 488,
    79: 501,
    87: 403,
    88: 503,
    102: 504,
    111: 500,
    127: 500,
}
"""RFC 3398 section 7.2.4.1."""

_REASON = re.compile(r'\s*(SIP|Q\.850)\s*;\s*cause\s*=\s*(\d{1,3})(?:[^,"]*;\s*text\s*=\s*"([^"]*)")?', re.IGNORECASE)


class Cause(Struct, frozen=True, kw_only=True):
    """A status code and a cause, 0 where not known, and the words that came with them."""

    sip: int = 0
    q850: int = 0
    text: str = ""


def read_reason(header: str) -> Cause:
    """Read a Reason header (RFC 3326); what is not one says nothing."""
    found = {match[1].upper(): (int(match[2]), match[3] or "") for match in _REASON.finditer(header[:1_000])}
    sip, sip_text = found.get("SIP", (0, ""))
    q850, text = found.get("Q.850", (0, ""))
    return Cause(sip=sip, q850=q850, text=clean_line(text or sip_text))


def completed(cause: Cause, *, failed: bool) -> Cause:
    """Fill in the one that is missing. A call that was answered has no status code of its own."""
    if not failed:
        return cause
    return Cause(
        sip=cause.sip or TO_SIP.get(cause.q850, 0), q850=cause.q850 or TO_Q850.get(cause.sip, 0), text=cause.text
    )
