"""The circuit as a state machine: tables of transitions, and any history against a plain description of what it promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tax.domain.circuit import THRESHOLD, WINDOW_SECONDS, Admission, Circuit
from tests.present import present

NOW = 1_800_000_000
NEVER = 0.0
COOL_DOWN_SECONDS = 20
OPEN = Circuit(THRESHOLD, NOW + 10, NOW * 1000)


def row(count: int, since: float = NOW) -> Circuit:
    """A closed circuit after ``count`` failures."""
    return Circuit(count, 0, int(since * 1000))


@pytest.mark.parametrize(
    ("before", "succeeded", "after"),
    [
        (Circuit(), NEVER, row(1)),
        (Circuit(), NOW - 1, row(1)),
        (row(1, NOW - 5), NEVER, row(2, NOW - 5)),
        (row(THRESHOLD - 1, NOW - 5), NEVER, Circuit(THRESHOLD, NOW + COOL_DOWN_SECONDS, (NOW - 5) * 1000)),
        # Too slow a row is none.
        (row(THRESHOLD - 1, NOW - WINDOW_SECONDS), NEVER, Circuit(THRESHOLD, NOW + 20, (NOW - 60) * 1000)),
        (row(THRESHOLD - 1, NOW - WINDOW_SECONDS - 1), NEVER, row(1)),
        # Nor is one during which calls of this instance succeeded.
        (row(THRESHOLD - 1, NOW - 5), NOW - 4, row(1)),
        (row(THRESHOLD - 1, NOW - 5), NOW - 6, Circuit(THRESHOLD, NOW + 20, (NOW - 5) * 1000)),
    ],
)
def test_failures_are_counted_in_a_row_and_within_a_window(before: Circuit, succeeded: float, after: Circuit):
    assert before.after_failure(Admission.CALL, NOW, succeeded, COOL_DOWN_SECONDS) == after


@pytest.mark.parametrize(
    ("before", "admission", "after"),
    [
        (Circuit(), Admission.CALL, Circuit()),
        (row(THRESHOLD - 1), Admission.CALL, Circuit()),
        (OPEN, Admission.PROBE, Circuit()),
        (OPEN, Admission.CALL, OPEN),
    ],
)
def test_a_success_closes_the_circuit_unless_it_is_late(before: Circuit, admission: Admission, after: Circuit):
    assert before.after_success(admission) == after


def test_a_failed_probe_keeps_the_circuit_open_and_a_late_failure_does_not():
    assert OPEN.after_failure(Admission.CALL, NOW + 5, NEVER, COOL_DOWN_SECONDS) == OPEN
    failed = OPEN.after_failure(Admission.PROBE, NOW + 11, NEVER, COOL_DOWN_SECONDS)
    assert failed.open_until == NOW + 11 + COOL_DOWN_SECONDS


def test_a_claimed_probe_refuses_other_callers_until_the_next_cool_down():
    assert OPEN.admission(NOW + 10) is Admission.PROBE
    circuit = OPEN.probed(NOW + 10, COOL_DOWN_SECONDS)
    assert circuit.admission(NOW + 11) is Admission.REFUSE
    assert circuit.admission(NOW + 10 + COOL_DOWN_SECONDS) is Admission.PROBE


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 30)), max_size=60))
def test_the_circuit_opens_only_after_failures_in_a_row(history: list[tuple[bool, float]]):
    """It opens only after THRESHOLD failures in a row within the window, and lets a call through after the cool-down."""
    circuit, now, succeeded = Circuit(), float(NOW), NEVER
    row_of_failures: list[float] = []
    opened_at: float | None = None
    for works, pause in history:
        now += pause
        admission = circuit.admission(now)
        if admission is Admission.REFUSE:
            assert now - present(opened_at) <= COOL_DOWN_SECONDS
            continue
        if admission is Admission.PROBE:
            assert now - present(opened_at) >= COOL_DOWN_SECONDS - 1
            circuit, opened_at = circuit.probed(now, COOL_DOWN_SECONDS), now
        if works:
            circuit, succeeded, row_of_failures, opened_at = circuit.after_success(admission), now, [], None
            assert circuit == Circuit()
            continue
        was_open = circuit.is_open
        circuit = circuit.after_failure(admission, now, succeeded, COOL_DOWN_SECONDS)
        row_of_failures.append(now)
        if circuit.is_open and not was_open:
            opened_at = now
            assert len(row_of_failures) >= THRESHOLD
            assert now - row_of_failures[-THRESHOLD] <= WINDOW_SECONDS + 0.01
