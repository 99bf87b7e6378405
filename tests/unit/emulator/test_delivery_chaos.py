"""Disturbed deliveries, with queues in the emulator's form."""

import subprocess
import sys
import time
from typing import Any

import pytest

from local.emulator import delivery_chaos
from local.emulator.delivery_chaos import NONE, Deliveries, Disturbance, request

NOW = 1000.0


def disturbed(**settings: Any) -> Deliveries:
    rules = Deliveries()
    rules.change(Disturbance(**settings))
    return rules


def message(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "body": name, "visible_at": NOW, "receive_count": 0, "receipt_handle": None, **more}


def queue(*messages: dict[str, Any], fifo: bool = False) -> dict[str, Any]:
    return {"is_fifo": fifo, "messages": list(messages)}


def bodies(state: dict[str, Any]) -> list[str]:
    """The bodies of messages in the order in which they are due."""
    return [one["body"] for one in sorted(state["messages"], key=lambda one: one["visible_at"])]


def test_messages_are_unchanged_by_default():
    standard, fifo = queue(message("a"), message("b")), queue(message("a", receipt_handle="1"), fifo=True)
    quiet = Deliveries()
    quiet.before_receive(standard, NOW)
    assert standard == queue(message("a"), message("b"))
    assert quiet.before_delete(fifo, {"1"}, NOW) == {"1"}
    assert quiet.clocked("script") == "script"


def test_messages_are_delivered_twice_late_and_in_another_order():
    names = [f"{number:02}" for number in range(20)]
    standard = queue(*map(message, names))
    disturbed(late_seconds=2).before_receive(standard, NOW)
    assert sorted(bodies(standard)) == sorted(names * 2)
    assert bodies(standard) != sorted(names * 2)
    assert all(NOW <= one["visible_at"] <= NOW + 2 for one in standard["messages"])


def test_a_message_is_doubled_once():
    rules, standard = disturbed(late_seconds=0), queue(message("a"))
    for _ in range(3):
        rules.before_receive(standard, NOW)
    assert bodies(standard) == ["a", "a"]


def test_a_message_that_is_not_due_is_unchanged():
    standard = queue(message("a", visible_at=NOW + 1))
    disturbed().before_receive(standard, NOW)
    assert standard == queue(message("a", visible_at=NOW + 1))


def test_the_double_is_a_first_delivery_and_may_have_another_id():
    standard = queue(*(message("a", receive_count=3, receipt_handle="held") for _ in range(20)))
    disturbed().before_receive(standard, NOW)
    doubles = [one for one in standard["messages"] if one["receipt_handle"] is None]
    assert len(doubles) == 20
    assert {one["receive_count"] for one in doubles} == {0}
    assert {one["id"] == "a" for one in doubles} == {True, False}


def test_a_share_of_messages_is_doubled():
    standard = queue(*(message("a") for _ in range(100)))
    disturbed(twice=0.2).before_receive(standard, NOW)
    assert 105 <= len(standard["messages"]) <= 135


def test_the_seed_determines_the_disturbance():
    def due(seed: int) -> list[str]:
        standard = queue(*(message(str(number)) for number in range(10)))
        disturbed(seed=seed).before_receive(standard, NOW)
        return bodies(standard)

    assert due(1) == due(1)
    assert due(1) != due(2)


def test_a_fifo_queue_keeps_its_order_and_delivers_each_message_twice():
    rules = disturbed()
    fifo = queue(message("a", receipt_handle="1", receive_count=1), message("b"), fifo=True)
    rules.before_receive(fifo, NOW)
    assert [one["body"] for one in fifo["messages"]] == ["a", "b"]
    assert rules.before_delete(fifo, {"1"}, NOW) == set()
    # Still in front of the one behind it, and on its way to a function: its group waits.
    assert [one["body"] for one in fifo["messages"]] == ["a", "b"]
    assert fifo["messages"][0]["receive_count"] == 1
    assert rules.before_delete(fifo, {"1"}, NOW) == {"1"}


@pytest.mark.parametrize("off", [240, 60])
def test_a_process_with_a_wrong_clock(monkeypatch, tmp_path, off):
    monkeypatch.setattr(delivery_chaos, "SCRATCH", tmp_path)
    script = "import sys, time; print(time.time(), time.monotonic(), any('/clock' in one for one in sys.path))"
    directions = set()
    # Of eight seeds there are two scripts, one a sign.
    for clocked in {disturbed(seed=seed, clock_skew_seconds=off).clocked(script) for seed in range(1, 9)}:
        process = [sys.executable, "-c", clocked]
        before = _clocks()
        wall, steady, polluted = subprocess.run(process, capture_output=True, text=True, check=True).stdout.split()
        after = _clocks()
        assert before[1] <= float(steady) <= after[1]
        assert polluted == "False"
        directions.add(next(sign for sign in (-1, 1) if before[0] <= float(wall) - sign * off <= after[0]))
    assert directions == {-1, 1}


def _clocks() -> tuple[float, float]:
    return time.time(), time.monotonic()


def test_the_route_starts_reports_and_ends_a_disturbance(monkeypatch):
    monkeypatch.setattr(delivery_chaos, "DELIVERIES", Deliveries())
    settings = request("PUT", {"seed": 7, "twice": 0.5})
    assert settings == {"seed": 7, "twice": 0.5, "late_seconds": 2.0, "clock_skew_seconds": 0, "done": {}}
    assert request("GET", {}) == settings
    request("DELETE", {})
    assert delivery_chaos.DELIVERIES.disturbance == NONE


@pytest.mark.parametrize("wrong", [{"twice": 2}, {"clock_skew_seconds": 300}, {"late_seconds": -1}, {"often": 1}])
def test_invalid_settings_are_rejected(wrong):
    with pytest.raises(ValueError, match=r"twice is|unknown"):
        request("PUT", wrong)
    assert request("GET", {})["twice"] == 0
