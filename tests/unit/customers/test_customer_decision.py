"""The four checks, exhaustively: every session, every path, every word of both platforms."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.domain.identities import CUSTOMER_ID, Gap, Verdict, decide
from setpieces.sessions import Session

ABSENT, SILENT = Gap.ABSENT, Gap.SILENT
MINE = Session("hash", "C1", "id-1")
NO_CUSTOMER = Session("hash", "", "id-1", ["admin"])
HELD = ("id-1", "id-2", ABSENT, SILENT)

# What the platforms hold (commerce, rewards) -> the verdict on a valid session's own customer.
PLATFORMS = {
    ("id-1", "id-1"): Verdict.ALLOWED,
    ("id-1", "id-2"): Verdict.IDENTITY_MISMATCH,
    ("id-1", ABSENT): Verdict.PROFILE_NOT_FOUND,
    ("id-1", SILENT): Verdict.IDENTITY_UNAVAILABLE,
    ("id-2", "id-1"): Verdict.IDENTITY_MISMATCH,
    ("id-2", "id-2"): Verdict.IDENTITY_MISMATCH,
    ("id-2", ABSENT): Verdict.PROFILE_NOT_FOUND,
    ("id-2", SILENT): Verdict.IDENTITY_UNAVAILABLE,
    (ABSENT, "id-1"): Verdict.PROFILE_NOT_FOUND,
    (ABSENT, "id-2"): Verdict.PROFILE_NOT_FOUND,
    (ABSENT, ABSENT): Verdict.PROFILE_NOT_FOUND,
    (ABSENT, SILENT): Verdict.IDENTITY_UNAVAILABLE,
    (SILENT, "id-1"): Verdict.IDENTITY_UNAVAILABLE,
    (SILENT, "id-2"): Verdict.IDENTITY_UNAVAILABLE,
    (SILENT, ABSENT): Verdict.IDENTITY_UNAVAILABLE,
    (SILENT, SILENT): Verdict.IDENTITY_UNAVAILABLE,
}
NOT_MINE = ("C2", "", "c1", "C1 ", "C10", "%431", "C%31", "C1/", "*", "?1", "C1*", "..", "C1/../C2", "C1\x00", "C１")  # noqa: RUF001


def test_the_table_has_every_combination():
    assert set(PLATFORMS) == set(product(HELD, HELD))


def expected(session: Session | None, asked: str, held: tuple) -> Verdict:
    """Issue 4, part 1, said once more: (a) before (b) before (c) and (d)."""
    if session is None:
        return Verdict.SESSION_INVALID
    if session is not MINE or asked != "C1":
        return Verdict.SESSION_USER_MISMATCH
    return PLATFORMS[held]


@pytest.mark.parametrize(
    ("session", "asked", "held"), list(product((None, MINE, NO_CUSTOMER), ("C1", *NOT_MINE), PLATFORMS))
)
def test_every_outcome(session, asked, held):
    calls = []

    def look_up(customer_id: str):
        calls.append(customer_id)
        return held

    verdict = decide(session, asked, look_up)
    assert verdict is expected(session, asked, held)
    # The platforms are asked once, for the session's own customer, and only if it depends on them.
    matters = verdict not in (Verdict.SESSION_INVALID, Verdict.SESSION_USER_MISMATCH)
    assert calls == (["C1"] if matters else [])


@given(st.text(max_size=70), st.text(max_size=70))
def test_only_the_very_same_well_formed_id_gets_as_far_as_the_platforms(own: str, asked: str):
    verdict = decide(Session("hash", own, "id-1"), asked, lambda _: ("id-1", "id-1"))
    assert (verdict is Verdict.ALLOWED) == (own == asked and CUSTOMER_ID.fullmatch(own) is not None)


@pytest.mark.parametrize("hostile", ["C1/*", "*", "C?", "C1\n", "C1/profile", "a" * 65, "${aws:username}", "C_1", ""])
def test_a_session_with_a_customer_id_that_is_a_pattern_is_let_in_nowhere(hostile):
    session = Session("hash", hostile, "id-1")
    assert decide(session, hostile, lambda _: ("id-1", "id-1")) is Verdict.SESSION_USER_MISMATCH
