"""Whether a request comes from Twilio: https://www.twilio.com/docs/usage/webhooks/webhooks-security.

The signature is over the public URL as Twilio called it and over all parameters. It holds no time, so a recorded
request can be sent again; its message has the same id and is taken in once.
"""

from collections.abc import Sequence

from multidict import MultiMapping
from twilio.request_validator import (
    HMAC_SHA1,
    HMAC_SHA256,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    compare,
    get_signature_algorithm,
)

SIGNATURE = "X-Twilio-Signature"
SETTINGS = SIGNATURE_SETTINGS_HEADER
LONGEST_SIGNATURE = 200


class BadSignature(Exception):
    """The signature is missing or wrong; the message says which."""


class Signatures:
    """Checks signatures made with any of several secrets, with HMAC-SHA1 and HMAC-SHA256."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._validators = [RequestValidator(secret) for secret in secrets]

    def verify(self, url: str, content: MultiMapping[str] | str, signature: str | None, settings: str | None) -> None:
        """Check one request: its public URL with the query, and its parameters or (JSON) its body.

        Raises:
            BadSignature: nobody who knows one of the secrets has signed it.
        """
        if not signature or len(signature) > LONGEST_SIGNATURE:
            raise BadSignature(f"there is no {SIGNATURE}")
        algorithm = get_signature_algorithm((settings or "")[:LONGEST_SIGNATURE]).upper()
        if algorithm not in (HMAC_SHA1, HMAC_SHA256):
            raise BadSignature("it is signed with an algorithm that we do not know")
        if isinstance(content, str) and "bodySHA256=" not in url:
            raise BadSignature("the URL holds no hash of the JSON body")
        if not self._fits(url, content, signature, algorithm):
            raise BadSignature("the signature does not fit the URL, the parameters and the auth token")

    def _fits(self, url: str, content: MultiMapping[str] | str, signature: str, algorithm: str) -> bool:
        """Try every secret, so that the time it takes tells nothing: with the URL as it is, then as the library does.

        The library tries the URL with and without a port, which makes of each signature two.
        """
        if not isinstance(content, str):
            made = [validator.compute_signature(url, content, algorithm) for validator in self._validators]
            if any(compare(one, signature) for one in made):
                return True
        right = [validator.validate(url, content, signature, algorithm) for validator in self._validators]
        return any(right)
