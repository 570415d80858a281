import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from web.tokens import MAX_TOKEN_LENGTH, Sealer, Signer, TokenRefused

Make = Callable[..., str]
OLD, NEW = b"o" * 32, b"n" * 32
NOW = 1_000_000


class Claims(Struct, frozen=True):
    visitor: str
    n: int = 0


SIGNER, SEALER = Signer(NEW, OLD), Sealer(NEW, OLD)
CLAIMS = Claims("v1", 7)


def reason(token: str, purpose: str = "p", type_: type = Claims, now: int = NOW) -> str:
    opener = SEALER.open if token.startswith("s1.") else SIGNER.verify
    with pytest.raises(TokenRefused) as refused:
        opener(token, purpose, type_, now=now)
    return refused.value.reason


@pytest.mark.parametrize("make", [SIGNER.sign, SEALER.seal])
class TestBothKinds:
    def test_what_was_said_is_read_again(self, make: Make) -> None:
        token = make("p", CLAIMS, expires_at=NOW + 1)
        opener = SEALER.open if token.startswith("s1.") else SIGNER.verify
        assert opener(token, "p", Claims, now=NOW) == CLAIMS

    def test_a_token_is_worthless_for_another_purpose(self, make: Make) -> None:
        assert reason(make("p", CLAIMS, expires_at=None), purpose="q") == "forged"

    def test_a_token_ends_at_the_instant_it_says(self, make: Make) -> None:
        assert reason(make("p", CLAIMS, expires_at=NOW)) == "expired"

    def test_claims_of_another_shape_are_malformed(self, make: Make) -> None:
        assert reason(make("p", {"n": "x"}, expires_at=None)) == "malformed"

    @given(data=st.data())
    def test_no_changed_character_goes_unnoticed(self, make: Make, data: st.DataObject) -> None:
        token = make("p", CLAIMS, expires_at=None)
        at = data.draw(st.integers(0, len(token) - 1))
        first, second = data.draw(st.permutations("AZaz09-_."))[:2]
        other = first if first != token[at] else second  # no filter: a sealed token differs from run to run
        assert reason(token[:at] + other + token[at + 1 :]) in {"forged", "malformed"}


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "v1.", "v1..", "v2.e30.AA", "v1.!!.AA", "v1.a b.AA", "s1.", "s1.AA.AA", "x" * 5_000, "ą.ę.ł"],
)
def test_rubbish_is_refused_in_words(token: str) -> None:
    assert reason(token) in {"malformed", "forged"}


def test_a_token_too_long_is_refused_before_any_work() -> None:
    assert reason("v1." + "A" * MAX_TOKEN_LENGTH + ".AA") == "malformed"


def test_tokens_of_an_older_key_are_still_good_and_of_a_foreign_one_are_not() -> None:
    old, foreign = (Signer(key).sign("p", CLAIMS, expires_at=None) for key in (OLD, b"f" * 32))
    assert SIGNER.verify(old, "p", Claims, now=NOW) == CLAIMS
    assert reason(foreign) == "forged"
    sealed = Sealer(OLD).seal("p", CLAIMS, expires_at=None)
    assert SEALER.open(sealed, "p", Claims, now=NOW) == CLAIMS


def test_new_tokens_are_made_with_the_first_key() -> None:
    token = SIGNER.sign("p", CLAIMS, expires_at=None)
    assert Signer(NEW).verify(token, "p", Claims, now=NOW) == CLAIMS


def test_a_sealed_token_does_not_show_its_claims() -> None:
    sealed = SEALER.seal("p", {"key": "very-secret"}, expires_at=None)
    body = sealed.removeprefix("s1.")
    assert b"very-secret" not in base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Signer(b"short")
