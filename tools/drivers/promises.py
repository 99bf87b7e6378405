"""What the shop has accepted from its clients, and what it has shown them since: what a campaign holds it to afterwards."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tools.client import Shop
from tools.drivers.queues import depths

# What of a signed link may be nobody else's.
SIGNED = ("X-Amz-Signature", "X-Amz-Security-Token")


@dataclass
class Order:
    """An order that was accepted, who may see it, and every status that they were shown."""

    number: str
    payment_token: str
    session: dict[str, str] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    # The order was accepted, and later nobody knew of it.
    unknown: bool = False

    @property
    def outcome(self) -> str:
        """How it has to end."""
        return "Failed" if self.payment_token == "tok_declined" else "Complete"

    @property
    def ended(self) -> bool:
        return bool(self.shown) and self.shown[-1] != "Processing"


@dataclass
class Customer:
    """Somebody who signed up, what the legacy platform knew of them, and what they have to find on the new one."""

    customer_id: str
    legacy: dict[str, Any]
    own: dict[str, Any]
    # How often they changed it since.
    changes: int = 0


@dataclass
class Feed:
    """A feed that was put: its records by what has to become of them."""

    feed_type: str
    feed_id: str
    good: int
    rejected: int = 0
    failed: int = 0

    @property
    def received(self) -> int:
        return self.good + self.rejected + self.failed


@dataclass
class Promises:
    """Everything of one run. Clients of many threads write here."""

    started: float = field(default_factory=time.time)
    # Queues that were not empty before: whatever lies there is not of this run.
    left_before: dict[str, int] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    # Basket to SKU to quantity, as the last answer said.
    baskets: dict[str, dict[str, int]] = field(default_factory=dict)
    customers: list[Customer] = field(default_factory=list)
    # Batch to the number of vouchers; those that were cancelled are not among them.
    batches: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    # Batches whose link works once.
    once: set[str] = field(default_factory=set)
    # Voucher to the one order that it was accepted for.
    redemptions: dict[str, str] = field(default_factory=dict)
    feeds: list[Feed] = field(default_factory=list)
    # Type of the run's events to the ids of those accepted.
    events: dict[str, set[str]] = field(default_factory=dict)
    # Customer to order, of updates that the commerce platform sent.
    updates: dict[str, str] = field(default_factory=dict)
    sitemaps: list[str] = field(default_factory=list)
    # Dead letters are explained if they hold one of these texts.
    explained: set[str] = field(default_factory=set)
    # Texts that no log may hold.
    private: set[str] = field(default_factory=set)
    # What clients were told that they should not have been, and what they gave up.
    complaints: list[str] = field(default_factory=list)
    # (service, status, code of a problem) to how often a client was answered so; status 0 is no answer.
    answers: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, shop: Shop) -> "Promises":
        """None yet; what others have left on the queues is noted."""
        return cls(left_before=depths(shop))

    def answered(self, path: str, status: int, code: str = "") -> None:
        with self._lock:
            self.answers[path.split("/")[1].partition("?")[0] or "storefront", status, code] += 1

    def keep_private(self, *texts: str) -> None:
        self.private.update(texts)

    def keep_link_private(self, url: str) -> None:
        """A signed link: who has its signature has the file."""
        query = parse_qs(urlsplit(url).query)
        self.private.update(query[name][0] for name in SIGNED if name in query)

    def summary(self) -> dict[str, int]:
        """How much was promised, for a report."""
        return {
            "orders": len(self.orders),
            "baskets": len(self.baskets),
            "customers": len(self.customers),
            "voucher batches": len(self.batches) + len(self.cancelled),
            "redemptions": len(self.redemptions),
            "records of feeds": sum(feed.received for feed in self.feeds),
            "events": sum(map(len, self.events.values())),
            "updates of the platform": len(self.updates),
            "sitemap runs": len(self.sitemaps),
        }
