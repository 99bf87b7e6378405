"""Invalidate: the CDN asks for the index again; all other files have names of their own."""

from typing import Any

from setpieces import observability
from setpieces.aws import patient_client
from setpieces.observability import observed
from setpieces.settings import setting
from sitemaps.repository.files import INDEX, ROBOTS


@observed
def handler(event: dict[str, Any], context: Any) -> None:
    """{run_id} -> nothing. Again is the same invalidation."""
    observability.begin(event["run_id"])
    paths = [f"/{INDEX}", f"/{ROBOTS}"]
    patient_client("cloudfront").create_invalidation(
        DistributionId=setting("DISTRIBUTION_ID"),
        InvalidationBatch={"Paths": {"Quantity": len(paths), "Items": paths}, "CallerReference": event["run_id"]},
    )
