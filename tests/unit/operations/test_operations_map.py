"""Which queue belongs to which set piece, and what is a dead letter."""

from typing import Any

import pytest

from operations.views import Queue, pieces, with_queues

KNOWN: list[dict[str, Any]] = [
    {"name": name, "description": "", "tells": []} for name in ("feeds", "feed-pipeline", "customer", "customers")
]


@pytest.mark.parametrize(
    ("queue", "owner"),
    [
        ("feed-pipeline-records-product", "feed-pipeline"),
        ("feeds-x", "feeds"),
        ("customers-x", "customers"),
        ("customer-x", "customer"),
        ("stranger-x", None),
        ("feeds", None),
    ],
)
def test_a_queue_belongs_to_the_piece_that_its_name_begins_with(queue: str, owner: str | None):
    found = with_queues(KNOWN, [Queue(queue, 1, 2, 3)])
    assert [piece["name"] for piece in found if piece["queues"]] == ([owner] if owner else [])
    shown = {"name": queue, "waiting": 1, "in_work": 2, "delayed": 3, "dead_letters": False}
    assert [each for piece in found for each in piece["queues"]] == ([shown] if owner else [])


@pytest.mark.parametrize(
    ("name", "dead"),
    [("a", False), ("a-dlq", True), ("a-dlq.fifo", True), ("a-parked", True), ("a.fifo", False), ("dlq-a", False)],
)
def test_dead_letters_are_known_by_their_queues_name(name: str, dead: bool):
    assert Queue(name, 0, 0, 0).dead_letters == dead


def test_every_piece_is_there_without_queues_and_whom_it_tells_is_another():
    found = {piece["name"] for piece in with_queues(pieces(), [])}
    assert {"orders", "sequences", "storefront"} <= found
    assert {told["to"] for piece in pieces() for told in piece["tells"]} <= found
