"""Diagrams show who calls, starts or sends to whom, as the templates say."""

import pytest

from model.templates import name_of, pieces
from pages import diagrams
from pages.resource_graph import TYPES, edges


@pytest.mark.parametrize(
    ("service", "edge"),
    [
        ("tax", ("Api", "QuoteTaxFunction")),
        ("tax", ("QuoteTaxFunction", "tax system")),
        ("tax", ("RefreshSchedule", "RefreshRatesFunction")),
        ("payments", ("SubmittedRule", "SubmittedQueue")),
        ("payments", ("SubmittedQueue", "AuthorizePaymentFunction")),
        ("payments", ("AuthorizePaymentFunction", "checkout-bus")),
        ("payments", ("AuthorizePaymentFunction", "orders API")),
        ("sequences", ("Api", "Table")),
        ("vouchers", ("NotifyRequesterFunction", "mail")),
    ],
)
def test_calls_and_deliveries_are_edges(service, edge):
    assert edge in edges(pieces()[service])


@pytest.mark.parametrize("service", sorted(set(pieces()) - {"shop"}))
def test_dead_letter_queues_are_left_out(service):
    piece = pieces()[service]
    redrives = [
        queue["RedrivePolicy"] for queue in piece.of_type("AWS::SQS::Queue").values() if "RedrivePolicy" in queue
    ]
    dead_letters = {name_of(redrive["deadLetterTargetArn"]) for redrive in redrives}
    assert dead_letters & {name for edge in edges(piece) for name in edge} == set()


def test_a_consumers_function_does_not_point_at_its_queue():
    assert ("AuthorizePaymentFunction", "SubmittedQueue") not in edges(pieces()["payments"])


def test_shapes_are_of_types_of_the_graph():
    assert set(diagrams.SHAPES) <= TYPES


def test_the_overview_has_every_service_that_calls_or_is_called():
    overview = diagrams.overview()
    silent = {"audit", "delivery", "foundation"}
    missing = {piece.service for piece in diagrams.documented() if piece.service.replace("-", "_") not in overview}
    assert missing <= silent
