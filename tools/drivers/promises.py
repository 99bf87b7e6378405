"""Requests that the shop has accepted in a campaign, and later responses: the input of the invariants."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tools.client import Shop
from tools.drivers.queues import depths

# The secret parameters of a signed link.
SIGNED = ("X-Amz-Signature", "X-Amz-Security-Token")


@dataclass
class Order:
    """An accepted order, the session that may read it, and all statuses that the client received."""

    number: str
    payment_token: str
    session: dict[str, str] = field(default_factory=dict)
    basket: str = ""
    # SKU to quantity.
    lines: dict[str, int] = field(default_factory=dict)
    # The total in minor units that the client confirmed; None for an order without a quotation.
    total: int | None = None
    # Voucher code to the discount that the client confirmed.
    discounts: dict[str, int] = field(default_factory=dict)
    # Reasons for which the order may fail because of other orders.
    may_fail_for: frozenset[str] = frozenset()
    statuses: list[str] = field(default_factory=list)
    # The reason code of the last status.
    reason: str = ""
    # A later request did not find the order.
    lost: bool = False

    @property
    def outcome(self) -> str:
        """The expected final status. An order with the total 0 is not declined: its payment is not requested."""
        if self.reason in self.may_fail_for:
            return "Failed"
        return "Failed" if self.payment_token == "tok_declined" and self.total != 0 else "Complete"

    def record(self, status: dict[str, Any]) -> None:
        """Record a response of the status API."""
        self.statuses.append(status["status"])
        self.reason = status.get("reason_code", "")

    @property
    def ended(self) -> bool:
        return bool(self.statuses) and self.statuses[-1] != "Processing"


@dataclass
class Customer:
    """A customer who has signed up, with the fields on the legacy platform and the fields that they have set."""

    customer_id: str
    legacy: dict[str, Any]
    own: dict[str, Any]
    # Number of changes of the profile.
    changes: int = 0


@dataclass
class Feed:
    """An uploaded feed: the number of its records by their expected outcome."""

    feed_type: str
    feed_id: str
    valid: int
    rejected: int = 0
    failed: int = 0

    @property
    def received(self) -> int:
        return self.valid + self.rejected + self.failed


@dataclass
class Promises:
    """The promises of one run. Clients of many threads write here."""

    started: float = field(default_factory=time.time)
    # Messages in each queue before the run.
    initial_depths: dict[str, int] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    # Basket to SKU to quantity, from the last response; an order has all of them.
    baskets: dict[str, dict[str, int]] = field(default_factory=dict)
    # SKU to the platform's counts before the run's first order of it: {received, sold, ...}.
    stock: dict[str, dict[str, int]] = field(default_factory=dict)
    customers: list[Customer] = field(default_factory=list)
    # Batch to the number of vouchers, without cancelled batches.
    batches: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    # Batches whose link works once.
    one_time: set[str] = field(default_factory=set)
    # Voucher to its value in minor units, of those that clients have used.
    vouchers: dict[str, int] = field(default_factory=dict)
    # Voucher to the order that it was redeemed for, through the API of redemptions.
    redemptions: dict[str, str] = field(default_factory=dict)
    feeds: list[Feed] = field(default_factory=list)
    # Event type to the ids of accepted events.
    events: dict[str, set[str]] = field(default_factory=dict)
    # Customer to order, of updates by the commerce platform.
    updates: dict[str, str] = field(default_factory=dict)
    sitemaps: list[str] = field(default_factory=list)
    # A dead letter is expected if it contains one of these texts.
    expected_dead_letters: set[str] = field(default_factory=set)
    # Texts that no log may contain.
    secrets: set[str] = field(default_factory=set)
    # Unexpected responses, and timeouts of clients.
    failures: list[str] = field(default_factory=list)
    # Number of responses by (service, status, code of a problem); status 0 is no response.
    responses: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, shop: Shop) -> "Promises":
        """No promises yet, with the messages that are in the queues now."""
        return cls(initial_depths=depths(shop))

    def count_response(self, path: str, status: int, code: str = "") -> None:
        with self._lock:
            self.responses[path.split("/")[1].partition("?")[0] or "storefront", status, code] += 1

    def complete_orders(self) -> list[Order]:
        """The orders whose last status is Complete."""
        return [order for order in self.orders if order.statuses and order.statuses[-1] == "Complete"]

    def add_secrets(self, *texts: str) -> None:
        self.secrets.update(texts)

    def add_signed_link(self, url: str) -> None:
        """Add the signature of ``url`` to the secrets: it gives access to the file."""
        query = parse_qs(urlsplit(url).query)
        self.secrets.update(query[name][0] for name in SIGNED if name in query)

    def summary(self) -> dict[str, int]:
        """Number of promises by kind, for a report."""
        return {
            "orders": len(self.orders),
            "baskets": len(self.baskets),
            "customers": len(self.customers),
            "voucher batches": len(self.batches) + len(self.cancelled),
            "vouchers": len(self.vouchers),
            "redemptions": len(self.redemptions),
            "feed records": sum(feed.received for feed in self.feeds),
            "events": sum(map(len, self.events.values())),
            "platform updates": len(self.updates),
            "sitemap runs": len(self.sitemaps),
        }
