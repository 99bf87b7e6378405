"""The bucket: ``work/<run>/`` is a run's own, ``release/`` what crawlers get; the index carries the id of its run.

work/<run>/pages-<n>.jsonl     pages of a chunk, {path, fingerprint, changed} each
work/<run>/files-<n>.jsonl     files of a chunk, {name, urls, changed, sha256} each
work/<run>/sitemaps/<name>     -> release/sitemaps/<name>, never changed: the name holds the hash
work/<run>/sitemap.xml         -> release/sitemap.xml, last, with the metadata {run}
work/<run>/manifest.json       {run_id, before, chunks, urls}; before is the run that was released when this one was checked

The index and its run are one object, so that they change together: a manifest of its own beside the index could name a run
that never got as far.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from setpieces.aws import error_code, patient_client
from setpieces.settings import setting

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import ObjectTypeDef

INDEX, MANIFEST, FILES, ROBOTS = "sitemap.xml", "manifest.json", "sitemaps/", "robots.txt"
RELEASE = "release/"
# A file of that name never changes. The CDN is told of a new index, other caches are not.
FOR_EVER, FOR_A_WHILE = "public, max-age=31536000, immutable", "public, max-age=300, s-maxage=86400"
XML = "application/xml"


@dataclass(frozen=True)
class Index:
    """The index that crawlers get, with its entity tag; all empty if there is none, ``run_id`` if none is known."""

    content: bytes = b""
    run_id: str = ""
    etag: str = ""


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


def index() -> Index:
    """The released index."""
    try:
        found = patient_client("s3").get_object(Bucket=_bucket(), Key=RELEASE + INDEX)
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return Index()
        raise
    return Index(found["Body"].read(), found["Metadata"].get("run", ""), found["ETag"])


def replace_index(before: Index, run_id: str, content: bytes) -> bool:
    """Release the index of a run in place of ``before``; False if that is no longer the one that is released."""
    condition: dict[str, Any] = {"IfMatch": before.etag} if before.etag else {"IfNoneMatch": "*"}
    try:
        patient_client("s3").put_object(
            Bucket=_bucket(),
            Key=RELEASE + INDEX,
            Body=content,
            ContentType=XML,
            CacheControl=FOR_A_WHILE,
            Metadata={"run": run_id},
            **condition,
        )
    except ClientError as error:
        if error_code(error) == "PreconditionFailed":
            return False
        raise
    return True


def manifest(run_id: str) -> dict[str, Any]:
    """The manifest of a run; of none, and of one that was removed, {run_id, before: "", chunks: 0, urls: 0}."""
    # Indexes were once released without their run, and the manifest beside them.
    content = read(work(run_id, MANIFEST) if run_id else RELEASE + MANIFEST)
    return json.loads(content) if content else {"run_id": run_id, "before": "", "chunks": 0, "urls": 0}


def released() -> dict[str, Any]:
    """The manifest of the release."""
    return manifest(index().run_id)


def listed(prefix: str) -> Iterator["ObjectTypeDef"]:
    """{Key, LastModified} of all objects under a prefix."""
    for page in patient_client("s3").get_paginator("list_objects_v2").paginate(Bucket=_bucket(), Prefix=prefix):
        yield from page.get("Contents", [])


def remove(keys: Iterable[str]) -> None:
    for key in keys:
        patient_client("s3").delete_object(Bucket=_bucket(), Key=key)


def _bucket() -> str:
    return setting("BUCKET_NAME")
