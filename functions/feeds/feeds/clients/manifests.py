"""Manifests of concluded feeds, in the bucket."""

import json
from typing import Any

from feeds.domain.feeds import manifest_key
from setpieces.aws import client
from setpieces.settings import setting


def put_manifest(manifest: dict[str, Any]) -> None:
    """Store a manifest, in place of an earlier one of its feed."""
    client("s3").put_object(
        Bucket=setting("BUCKET_NAME"),
        Key=manifest_key(manifest["type"], manifest["feed_id"]),
        Body=json.dumps(manifest, indent=2).encode(),
        ContentType="application/json",
    )
