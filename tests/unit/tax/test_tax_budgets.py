"""Slow answers of the tax system and of Parameter Store: the quotation is given before process-order stops waiting."""

import json

import pytest

from model import routing
from orders.clients import tax as orders_tax
from setpieces import connections, parameters
from setpieces.errors import ExternalUnavailable
from tax import clients as tax_clients
from tax import workflow
from tax.domain.circuit import THRESHOLD
from tax.repository import circuit as circuit_repository
from tests.faults import Faults, time_out
from tests.service import Service
from tests.unit.common.peers import HEAD, Connection, Peer
from tests.unit.tax.instances import QUOTED
from tests.unit.tax.samples import REQUEST


@pytest.fixture(autouse=True)
def _no_connections(tax: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "_idle", {})


def drip(connection: Connection) -> None:
    connection.read()
    connection.socket.sendall(HEAD % 200)
    connection.drip(b"{}")


def test_a_slow_response_opens_the_circuit_and_every_quotation_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tax_clients, "QUOTE_SECONDS", 0.2)
    with Peer(drip) as peer:
        monkeypatch.setattr("setpieces.external.read_parameter", lambda *_: peer.url)
        quotations = [workflow.quote_tax(REQUEST) for _ in range(THRESHOLD + 2)]
    assert {response["source"] for response in quotations} == {"cached_rates"}
    assert circuit_repository.load_circuit().is_open
    assert len(peer.requests) == THRESHOLD


def test_a_closed_connection_does_not_count_as_a_failure(monkeypatch: pytest.MonkeyPatch):
    body = json.dumps(QUOTED).encode()

    def forget_after_one(connection: Connection) -> None:
        connection.respond(body)
        connection.read()
        connection.reset()

    with Peer(forget_after_one, lambda connection: connection.respond(body)) as peer:
        monkeypatch.setattr("setpieces.external.read_parameter", lambda *_: peer.url)
        quotations = [workflow.quote_tax(REQUEST) for _ in range(2)]
    assert [response["source"] for response in quotations] == ["quotation", "quotation"]
    assert circuit_repository.load_circuit().failures == 0


def test_quotations_fall_back_while_parameter_store_does_not_answer(faults: Faults, monkeypatch: pytest.MonkeyPatch):
    faults.fail("GetParameter", time_out("ssm"))
    monkeypatch.setattr(parameters, "TRY_AGAIN_SECONDS", (0, 0))
    quotations = [workflow.quote_tax(REQUEST) for _ in range(THRESHOLD + 1)]
    assert {response["source"] for response in quotations} == {"cached_rates"}
    # The tax system was not called: the others continue to call it.
    assert not circuit_repository.load_circuit().is_open


def test_process_order_waits_longer_than_a_fallback_takes():
    """With a second for the cold start, the circuit and the rates."""
    address = parameters.FIRST_TRIES * parameters.WAIT_SECONDS + parameters.TRY_AGAIN_SECONDS[1]
    slowest = max(address, tax_clients.QUOTE_SECONDS) + 1
    quote_seconds = routing.templates()["tax"]["Globals"]["Function"]["Timeout"]
    assert slowest < orders_tax.TIMEOUT_SECONDS < quote_seconds


def test_a_failure_names_the_tax_system(monkeypatch: pytest.MonkeyPatch):
    """By its name it counts."""
    monkeypatch.setattr("setpieces.external.read_parameter", lambda *_: "http://127.0.0.1:9")
    with pytest.raises(ExternalUnavailable) as raised:
        tax_clients.request_quotation(REQUEST)
    assert raised.value.system == tax_clients.SYSTEM
