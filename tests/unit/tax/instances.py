"""Instances of the function that quotes taxes, and a tax system that answers what a test says."""

from typing import Any

from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tax import workflow
from tax.domain.circuit import THRESHOLD
from tax.repository import circuit as circuit_repository
from tests.service import Service
from tests.unit.tax.samples import REQUEST

COOL_DOWN_SECONDS = 20
QUOTED = {"tax_total": 760, "lines": [{"sku": "SP-1", "tax": 760, "rate": 1900}], "rate_version": "2026-01"}
WORKS, DOWN = Answer(200, QUOTED), ExternalUnavailable("tax", "no answer", timed_out=True)


class Instances:
    """Instances have a clock and the table in common; each knows only what it has seen itself.

    ``answer`` is the tax system's, or what its client raises; ``requests`` counts those that it got.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.now = 1_800_000_000.0
        self.answer: Answer | ExternalUnavailable = WORKS
        self.requests = 0
        self._seen: dict[str, Any] = {}

    def tax_system(self, system: str, method: str, *path: str, body: Any = None, **options: Any) -> Answer:
        """As ``external.call``."""
        assert system == "tax"
        self.requests += 1
        if isinstance(self.answer, ExternalUnavailable):
            raise self.answer
        return self.answer

    def quote(self, instance: str = "a") -> Any:
        """The quotation that this instance gives."""
        circuit_repository._known = self._seen.get(instance)
        try:
            return workflow.quote_tax(REQUEST)
        finally:
            self._seen[instance] = circuit_repository._known

    def source(self, instance: str = "a") -> str:
        """The ``source`` of the quotation that this instance gives."""
        return str(self.quote(instance)["source"])

    def open_circuit(self) -> None:
        """Let the tax system fail until the circuit is open."""
        self.answer = DOWN
        for _ in range(THRESHOLD):
            self.quote()
        self.requests = 0

    def circuit(self) -> dict[str, Any] | None:
        """The circuit in the table."""
        return next((item for item in self.service.items("Table") if item["id"] == "circuit"), None)
