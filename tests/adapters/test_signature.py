"""Signatures of requests."""

import pytest

from adapters.signature import BadSignature, StaleSignature, sign, verify

SECRET, CONTENT = "a-shared-secret!", b'{"id": "m1"}'


def test_a_signature_is_what_openssl_makes_of_the_same() -> None:
    # printf '%s' '1700000000.{"id": "m1"}' | openssl dgst -sha256 -hmac 'a-shared-secret!'
    assert sign(SECRET, 1_700_000_000, CONTENT) == (
        "t=1700000000,v1=0417be23f2e265efe68f600a73ed4c0a0365b4c772ef9210b8510bc879fb9387"
    )


def test_one_of_several_digests_and_secrets_is_enough() -> None:
    header = f"t=100,v1=00,{sign('older-secret', 100, CONTENT).partition(',')[2]}"
    verify(header, CONTENT, [SECRET, "older-secret"], seconds=100, tolerance=300)


@pytest.mark.parametrize("seconds", [100 - 301, 100 + 301])
def test_another_time_is_refused(seconds: int) -> None:
    with pytest.raises(StaleSignature):
        verify(sign(SECRET, 100, CONTENT), CONTENT, [SECRET], seconds=seconds, tolerance=300)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        "v1=00",
        "t=100",
        "t=,v1=00",
        "t=-5,v1=00",
        "t=1e3,v1=00",
        "t=٣,v1=00",
        "t=100,t=100,v1=00",
        "t=100,v1=é",
        "t=100,v1=\udcff",
        "t=" + "9" * 5_000 + ",v1=00",
        sign(SECRET, 101, CONTENT).replace("t=101", "t=100"),
        sign(SECRET, 100, CONTENT + b" "),
        sign("another-secret", 100, CONTENT),
    ],
)
def test_a_missing_malformed_or_forged_signature_is_refused(header: str) -> None:
    with pytest.raises(BadSignature) as refused:
        verify(header, CONTENT, [SECRET], seconds=100, tolerance=300)
    assert not isinstance(refused.value, StaleSignature)
