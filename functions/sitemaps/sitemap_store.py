"""The bucket: ``work/<run>/`` is a run's own, ``release/`` what crawlers get; its manifest says whose it is.

work/<run>/pages-<n>.jsonl     pages of a chunk, {path, fingerprint, changed} each
work/<run>/files-<n>.jsonl     files of a chunk, {name, urls, changed, sha256} each
work/<run>/sitemaps/<name>     -> release/sitemaps/<name>, never changed: the name holds the hash
work/<run>/sitemap.xml         -> release/sitemap.xml, last
work/<run>/manifest.json       -> release/manifest.json, {run_id, before, chunks, urls}; before is the run released before
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from setpieces.aws import error_code, patient_client
from setpieces.settings import setting

INDEX, MANIFEST, FILES, ROBOTS = "sitemap.xml", "manifest.json", "sitemaps/", "robots.txt"
RELEASE = "release/"
# A file of that name never changes. The CDN is told of a new index, other caches are not.
FOR_EVER, FOR_A_WHILE = "public, max-age=31536000, immutable", "public, max-age=300, s-maxage=86400"


def work(run_id: str, name: str) -> str:
    """The key of an object of a run."""
    return f"work/{run_id}/{name}"


def pages_key(run_id: str, chunk: int) -> str:
    return work(run_id, f"pages-{chunk}.jsonl")


def files_key(run_id: str, chunk: int) -> str:
    return work(run_id, f"files-{chunk}.jsonl")


def read(key: str) -> bytes | None:
    """An object, None if there is none."""
    try:
        content: bytes = patient_client("s3").get_object(Bucket=_bucket(), Key=key)["Body"].read()
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return None
        raise
    return content


def lines(key: str) -> Iterator[dict[str, Any]]:
    """The JSON lines of an object, one in memory at a time; none if there is no object."""
    try:
        body = patient_client("s3").get_object(Bucket=_bucket(), Key=key)["Body"]
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return
        raise
    for line in body.iter_lines():
        yield json.loads(line)


def write(key: str, content: bytes, media_type: str = "application/json", cache: str = "no-store") -> None:
    """``cache`` is how long caches may keep it, once it is copied into the release."""
    patient_client("s3").put_object(Bucket=_bucket(), Key=key, Body=content, ContentType=media_type, CacheControl=cache)


def write_lines(key: str, documents: Iterable[Any]) -> None:
    write(key, b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in documents))


def released() -> dict[str, Any]:
    """The manifest of the release; of none, {run_id: "", before: "", chunks: 0, urls: 0}."""
    content = read(RELEASE + MANIFEST)
    return json.loads(content) if content else {"run_id": "", "before": "", "chunks": 0, "urls": 0}


def listed(prefix: str) -> Iterator[dict[str, Any]]:
    """{Key, LastModified} of all objects under a prefix."""
    for page in patient_client("s3").get_paginator("list_objects_v2").paginate(Bucket=_bucket(), Prefix=prefix):
        yield from page.get("Contents", [])


def remove(keys: Iterable[str]) -> None:
    for key in keys:
        patient_client("s3").delete_object(Bucket=_bucket(), Key=key)


def _bucket() -> str:
    return setting("BUCKET_NAME")
