"""The checks of an authorization: every caller, every path, every combination of the platforms' identities."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.domain.access import CUSTOMER_ID, Caller, NoIdentity, PlatformIdentity, Verdict, evaluate_access

NOT_FOUND, UNAVAILABLE = NoIdentity.NOT_FOUND, NoIdentity.UNAVAILABLE
ADA = Caller("C1", "id-1")
NO_CUSTOMER = Caller("", "id-1")
IDENTITIES = ("id-1", "id-2", NOT_FOUND, UNAVAILABLE)

# The identities of (commerce, rewards) -> the verdict on Ada's request for her own customer.
VERDICTS: dict[tuple[PlatformIdentity, ...], Verdict] = {
    ("id-1", "id-1"): Verdict.ALLOWED,
    ("id-1", "id-2"): Verdict.IDENTITY_MISMATCH,
    ("id-1", NOT_FOUND): Verdict.PROFILE_NOT_FOUND,
    ("id-1", UNAVAILABLE): Verdict.IDENTITY_UNAVAILABLE,
    ("id-2", "id-1"): Verdict.IDENTITY_MISMATCH,
    ("id-2", "id-2"): Verdict.IDENTITY_MISMATCH,
    ("id-2", NOT_FOUND): Verdict.PROFILE_NOT_FOUND,
    ("id-2", UNAVAILABLE): Verdict.IDENTITY_UNAVAILABLE,
    (NOT_FOUND, "id-1"): Verdict.PROFILE_NOT_FOUND,
    (NOT_FOUND, "id-2"): Verdict.PROFILE_NOT_FOUND,
    (NOT_FOUND, NOT_FOUND): Verdict.PROFILE_NOT_FOUND,
    (NOT_FOUND, UNAVAILABLE): Verdict.IDENTITY_UNAVAILABLE,
    (UNAVAILABLE, "id-1"): Verdict.IDENTITY_UNAVAILABLE,
    (UNAVAILABLE, "id-2"): Verdict.IDENTITY_UNAVAILABLE,
    (UNAVAILABLE, NOT_FOUND): Verdict.IDENTITY_UNAVAILABLE,
    (UNAVAILABLE, UNAVAILABLE): Verdict.IDENTITY_UNAVAILABLE,
}
OTHERS = ("C2", "", "c1", "C1 ", "C10", "%431", "C%31", "C1/", "*", "?1", "C1*", "..", "C1/../C2", "C1\x00", "C１")  # noqa: RUF001


def same_identity(_: str) -> tuple[PlatformIdentity, ...]:
    return ("id-1", "id-1")


def test_the_table_has_every_combination():
    assert set(VERDICTS) == set(product(IDENTITIES, IDENTITIES))


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    ("caller", "customer_id", "identities"), list(product((ADA, NO_CUSTOMER), ("C1", *OTHERS), VERDICTS))
)
def test_every_verdict(caller: Caller, customer_id: str, identities: tuple[PlatformIdentity, ...], cached: bool):
    calls: list[str] = []

    def look_up(looked_up_id: str) -> tuple[PlatformIdentity, ...]:
        calls.append(looked_up_id)
        return identities

    is_own = caller is ADA and (cached or customer_id == "C1")
    expected = VERDICTS[identities] if is_own else Verdict.SESSION_USER_MISMATCH
    assert evaluate_access(caller, customer_id, look_up, cached=cached) is expected
    # One look-up, of the caller's own customer, and only if the verdict depends on it.
    assert calls == (["C1"] if is_own else [])


@given(st.text(max_size=70), st.text(max_size=70))
def test_only_the_same_valid_id_is_allowed(own: str, requested: str):
    verdict = evaluate_access(Caller(own, "id-1"), requested, same_identity, cached=False)
    assert (verdict is Verdict.ALLOWED) == (own == requested and CUSTOMER_ID.fullmatch(own) is not None)


@pytest.mark.parametrize("pattern", ["C1/*", "*", "C?", "C1\n", "C1/profile", "a" * 65, "${aws:username}", "C_1", ""])
@pytest.mark.parametrize("cached", [False, True])
def test_a_caller_whose_customer_id_is_a_pattern_is_refused(pattern: str, cached: bool):
    verdict = evaluate_access(Caller(pattern, "id-1"), pattern, same_identity, cached=cached)
    assert verdict is Verdict.SESSION_USER_MISMATCH
