"""Diagrams show who calls, starts or sends to whom, as the templates say."""

import ast

import pytest

from app.settings import SERVICES
from model.settings import ROOT
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
        ("vouchers", ("Api", "login authorizer")),
        ("customers", ("Api", "AuthorizeCustomerFunction")),
        ("storefront", ("Service", "orders API")),
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


def called_apis(service: str) -> set[str]:
    """The services whose API the code of a service calls, by ``signed_client`` or by the API's URL."""
    called = set()
    for file in (ROOT / "functions" / service).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("signed_client"), attr="call"), args=[ast.Constant(str(name)), *_]
                ):
                    called.add(name)
                case ast.Call(
                    func=ast.Name("read_parameter"), args=[ast.Constant(str(name)), ast.Constant("api-url"), *_]
                ):
                    called.add(name)
    return called - {service}


def test_the_overview_has_exactly_the_calls_of_the_code():
    arrows = {tuple(line.strip().split(" --> ")) for line in diagrams.overview().splitlines() if " --> " in line}
    apis = {piece.service for piece in pieces().values() if piece.apis}
    for piece in diagrams.documented():
        drawn = {edge[1] for edge in edges(piece) if edge[1].endswith(" API")}
        called = {f"{service.replace('-', '')} API" for service in called_apis(piece.service)}
        assert drawn == called or piece.service == "storefront", piece.service
        names = {service for service in apis if f"{service.replace('-', '')} API" in drawn}
        assert {(piece.service.replace("-", "_"), name.replace("-", "_")) for name in names} <= arrows


def test_the_storefront_calls_the_apis_of_its_settings():
    drawn = {callee.removesuffix(" API") for _, callee in edges(pieces()["storefront"]) if callee.endswith(" API")}
    assert drawn == set(SERVICES)
