"""Invariants of feeds, ingested events and sitemaps."""

import json
from collections.abc import Iterator

from tools import feeds, sitemaps
from tools.client import Shop
from tools.drivers.ingestion import delivered_lines, event_count, failed_records
from tools.drivers.invariants.violations import Violations, for_each
from tools.drivers.promises import Feed, Promises


def every_record_of_a_feed_is_accounted_for(shop: Shop, promises: Promises) -> Violations:
    """The counts of the manifest add up to the records of the uploaded feed."""
    if not promises.feeds:
        return []
    admin = feeds.admin_session(shop)

    def check(feed: Feed) -> Iterator[str]:
        manifest = feeds.manifest(shop, admin, feed.feed_type, feed.feed_id)
        accepted = manifest["updated"] + manifest["unchanged"] + manifest["stale"]
        counts = {name: manifest[name] for name in ("received", "rejected", "failed", "pending")}
        expected = {"received": feed.received, "rejected": feed.rejected, "failed": feed.failed, "pending": 0}
        if (counts, accepted) != (expected, feed.valid):
            what = f"{feed.feed_type} feed {feed.feed_id} ({manifest['status']})"
            yield f"{what} counts {counts} and {accepted} accepted records of {feed}"

    return for_each(promises.feeds, check)


def every_event_is_kept_and_counted(shop: Shop, promises: Promises) -> Violations:
    """Each accepted event is delivered or in the error prefix, and backed up; the count is that of delivered events."""
    bucket = shop.address("ingestion", "bucket-name")

    def check(name: str) -> Iterator[str]:
        accepted = promises.events[name]
        lines = delivered_lines(shop, bucket, name)
        delivered = {line["event"]["event_id"] for line in lines}
        failed = {json.loads(record)["event"]["event_id"] for record in failed_records(shop, bucket, name)}
        backed_up = {line["event"]["event_id"] for line in delivered_lines(shop, bucket, name, "source/")}
        if lost := accepted - delivered - failed:
            yield f"{len(lost)} of {len(accepted)} events {name} are lost, {min(lost)} among them"
        if both := delivered & failed:
            yield f"{len(both)} events {name} were delivered and failed as well"
        if missing := accepted - backed_up:
            yield f"{len(missing)} of {len(accepted)} events {name} are not backed up"
        # A producer that gets no response repeats the event, and repeats in separate deliveries are kept and counted.
        if (count := event_count(shop, name)) != len(lines):
            yield f"{len(lines)} events {name} were delivered, {count} counted"

    return for_each(promises.events, check)


def sitemaps_are_released(shop: Shop, promises: Promises) -> Violations:
    """Every requested run succeeds."""
    if not promises.sitemaps:
        return []
    admin = feeds.admin_session(shop)

    def check(path: str) -> Iterator[str]:
        run = shop.call("GET", path, headers=admin).raise_for_status().json()
        if run["status"] not in sitemaps.SUCCEEDED:
            yield f"sitemap run {run['run_id']} is {run['status']} ({run.get('reason')})"

    return for_each(promises.sitemaps, check)
