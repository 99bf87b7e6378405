"""A replay, as docs/runbooks/archive-replay.md does it, repeats no effect."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tests.integration.spokes import about, drained, placed, put
from tools.client import Shop, eventually, unique
from tools.events import listening, receive_events

COMPLETE = ("CHECKOUT", "ORDER", "COMPLETE")


@pytest.mark.local_only("it makes an archive: a stage's is replayed to all its consumers, minutes later")
def test_a_replayed_order_is_not_shipped_again(shop: Shop):
    bus, arn = shop.aws("events"), shop.address("event-bus", "bus-arn")
    # In the local cloud the template's archive is left out, so the test brings one.
    archive = unique("test")[:48]
    archive_arn = bus.create_archive(ArchiveName=archive, EventSourceArn=arn)["ArchiveArn"]
    try:
        begin = datetime.now(UTC) - timedelta(seconds=1)
        numbers = [placed(shop) for _ in range(3)]
        put(shop, *(about(shop, number, *COMPLETE) for number in numbers), source="order")
        for number in numbers:
            eventually(partial(shop.ledger, "shipments", number))
        with listening(shop) as url, drained(shop, "shipping-completed", "shipping-shipments.fifo"):
            replay = unique("replay")
            bus.start_replay(
                ReplayName=replay,
                EventSourceArn=archive_arn,
                EventStartTime=begin,
                EventEndTime=datetime.now(UTC) + timedelta(seconds=1),
                Destination={"Arn": arn},
            )
            event_ids: set[str] = set()

            def all_replayed() -> bool:
                event_ids.update(replayed(shop, url, replay))
                return event_ids >= set(numbers)

            eventually(all_replayed)
        assert bus.describe_replay(ReplayName=replay)["State"] == "COMPLETED"
        assert [len(shop.ledger("shipments", number)) for number in numbers] == [1, 1, 1]
    finally:
        bus.delete_archive(ArchiveName=archive)


def replayed(shop: Shop, url: str, replay: str) -> list[str]:
    """Order numbers of the next events on the bus that the replay brought back."""
    events = receive_events(shop, url, wait_seconds=1)
    return [event["detail"]["event"]["data"]["order_number"] for event in events if event.get("replay-name") == replay]
