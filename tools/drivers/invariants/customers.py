"""Invariants of customers on the commerce platform, the legacy platform and the spokes."""

from collections import Counter
from collections.abc import Iterator

from tools.client import Shop
from tools.drivers.invariants.violations import Violations, for_each
from tools.drivers.promises import Customer, Promises


def customers_are_created_and_migrated_once(shop: Shop, promises: Promises) -> Violations:
    """Each customer is created once on the commerce platform, and the legacy platform's data is migrated once."""

    def check(customer: Customer) -> Iterator[str]:
        name = customer.customer_id
        writes = [entry for entry in shop.ledger("customers", name) if entry["operation"] == "put_customer"]
        created = [entry for entry in writes if entry["effect"] == "created"]
        migrations = [entry for entry in writes if entry["origin"] == "migration"]
        if (len(created), len(migrations)) != (1, 1):
            yield f"customer {name} was created {len(created)} and migrated {len(migrations)} times"
        if len(writes) != 2 + customer.changes:
            yield f"customer {name} was written {len(writes)} times, with {customer.changes} changes of their own"
        stored = shop.call("GET", f"/partners/v1/commerce/customers/{name}").raise_for_status().json()
        wrong = [field for field, value in (customer.legacy | customer.own).items() if stored.get(field) != value]
        if wrong:
            yield f"customer {name} has a wrong {', '.join(wrong)}"

    return for_each(promises.customers, check)


def updates_of_the_platform_are_passed_on(shop: Shop, promises: Promises) -> Violations:
    """Each update reaches both spokes that sync customers once, and its order is shipped once."""

    def check(name: str) -> Iterator[str]:
        entries = shop.ledger("customers", name)
        orders = Counter(entry.get("data", entry).get("order_number") for entry in entries)
        if orders != {promises.updates[name]: 2}:
            yield f"the platform's update {promises.updates[name]} of {name} was synced as {dict(orders)}"
        if len(shipped := shop.ledger("shipments", promises.updates[name])) != 1:
            yield f"the platform's order {promises.updates[name]} was shipped {len(shipped)} times"

    return for_each(promises.updates, check)
