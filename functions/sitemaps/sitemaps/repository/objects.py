"""The bucket: each run writes below ``work/<run>/``, crawlers get ``release/``.

work/<run>/pages-<n>.jsonl     pages of a chunk, {path, fingerprint, changed} each
work/<run>/files-<n>.jsonl     files of a chunk, {name, urls, changed, sha256} each
work/<run>/sitemaps/<name>     -> release/sitemaps/<name>, never changed: the name has the hash of the content
work/<run>/robots.txt          -> release/robots.txt
work/<run>/sitemap.xml         -> release/sitemap.xml, last, with the metadata {run}
work/<run>/manifest.json       {run_id, before, chunks, urls}; before is the run that was released when this one was checked

The released index and the id of its run are one object, so that they change together: a manifest beside the index could
name a run whose index was never released.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypedDict, cast

from botocore.exceptions import ClientError

from setpieces.aws import error_code, patient_client
from setpieces.settings import setting
from setpieces.stored import from_stored
from sitemaps.domain.files import FOLDER, INDEX, ROBOTS, File
from sitemaps.domain.pages import Page

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import ObjectTypeDef

RELEASE, WORK, MANIFEST = "release/", "work/", "manifest.json"
# A file of that name never changes. The CDN's copy of an index is invalidated, those of other caches are not.
IMMUTABLE, SHORT_LIVED = "public, max-age=31536000, immutable", "public, max-age=300, s-maxage=86400"
XML = "application/xml"


class StoredFile(TypedDict):
    """``urls`` is their number; ``changed`` is as in ``File``."""

    name: str
    urls: int
    changed: str
    sha256: str


class Manifest(TypedDict):
    """``before`` is the run that was released when this one was checked; ``chunks`` and ``urls`` are numbers."""

    run_id: str
    before: str
    chunks: int
    urls: int


@dataclass(frozen=True)
class Index:
    """The released index with its entity tag; all empty if there is none, ``run_id`` if it is unknown."""

    content: bytes = b""
    run_id: str = ""
    etag: str = ""


def work_key(run_id: str, name: str) -> str:
    """The key of an object of a run."""
    return f"{WORK}{run_id}/{name}"


def read(key: str) -> bytes | None:
    """The content of an object, None if there is none."""
    try:
        content: bytes = patient_client("s3").get_object(Bucket=_bucket(), Key=key)["Body"].read()
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return None
        raise
    return content


# --- what a run writes ---


def save_pages(run_id: str, chunk: int, pages: Iterable[Page]) -> None:
    _write_lines(_pages_key(run_id, chunk), (asdict(page) for page in pages))


def load_pages(run_id: str, chunks: Iterable[int]) -> Iterator[Page]:
    """The pages of some chunks of a run, one in memory at a time; none of a chunk that was deleted."""
    for chunk in chunks:
        yield from (from_stored(Page, line) for line in _read_lines(_pages_key(run_id, chunk)))


def save_files(run_id: str, chunk: int, files: Iterable[File]) -> None:
    """Store the sitemaps of a chunk, then the list of them."""
    stored: list[StoredFile] = []
    for file in files:
        _write(work_key(run_id, FOLDER + file.name), file.content, XML, IMMUTABLE)
        stored.append({"name": file.name, "urls": file.urls, "changed": file.changed, "sha256": file.sha256})
    _write_lines(_files_key(run_id, chunk), stored)


def list_files(run_id: str, chunks: int) -> Iterator[StoredFile]:
    """The files of the chunks 1 to ``chunks`` of a run."""
    for chunk in range(1, chunks + 1):
        yield from (cast(StoredFile, line) for line in _read_lines(_files_key(run_id, chunk)))


def save_checked(manifest: Manifest, index: bytes, robots: bytes) -> None:
    """Store what a run releases beside its files, and its manifest."""
    run_id = manifest["run_id"]
    _write(work_key(run_id, INDEX), index, XML, SHORT_LIVED)
    _write(work_key(run_id, ROBOTS), robots, "text/plain; charset=utf-8", SHORT_LIVED)
    _write(work_key(run_id, MANIFEST), json.dumps(manifest).encode())


def load_manifest(run_id: str) -> Manifest:
    """The manifest of a run; without a run, or of one that was deleted, one with no pages."""
    # Indexes were once released without their run, and the manifest beside them.
    content = read(work_key(run_id, MANIFEST) if run_id else RELEASE + MANIFEST)
    return json.loads(content) if content else {"run_id": run_id, "before": "", "chunks": 0, "urls": 0}


# --- the release ---


def load_index() -> Index:
    """The released index."""
    try:
        response = patient_client("s3").get_object(Bucket=_bucket(), Key=RELEASE + INDEX)
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return Index()
        raise
    return Index(response["Body"].read(), response["Metadata"].get("run", ""), response["ETag"])


def replace_index(before: Index, run_id: str, content: bytes) -> bool:
    """Release the index of a run in place of ``before``; False if another one was released meanwhile.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    condition: dict[str, Any] = {"IfMatch": before.etag} if before.etag else {"IfNoneMatch": "*"}
    try:
        patient_client("s3").put_object(
            Bucket=_bucket(),
            Key=RELEASE + INDEX,
            Body=content,
            ContentType=XML,
            CacheControl=SHORT_LIVED,
            Metadata={"run": run_id},
            **condition,
        )
    except ClientError as error:
        if error_code(error) == "PreconditionFailed":
            return False
        raise
    return True


def load_released_manifest() -> Manifest:
    return load_manifest(load_index().run_id)


# --- clean-up ---


def list_objects(prefix: str) -> Iterator["ObjectTypeDef"]:
    """{Key, LastModified} of each object below a prefix."""
    for page in patient_client("s3").get_paginator("list_objects_v2").paginate(Bucket=_bucket(), Prefix=prefix):
        yield from page.get("Contents", [])


def delete(keys: Iterable[str]) -> None:
    for key in keys:
        patient_client("s3").delete_object(Bucket=_bucket(), Key=key)


def _pages_key(run_id: str, chunk: int) -> str:
    return work_key(run_id, f"pages-{chunk}.jsonl")


def _files_key(run_id: str, chunk: int) -> str:
    return work_key(run_id, f"files-{chunk}.jsonl")


def _read_lines(key: str) -> Iterator[dict[str, Any]]:
    """The JSON lines of an object, one in memory at a time; none if there is no object."""
    try:
        body = patient_client("s3").get_object(Bucket=_bucket(), Key=key)["Body"]
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return
        raise
    for line in body.iter_lines():
        yield json.loads(line)


def _write(key: str, content: bytes, media_type: str = "application/json", cache_control: str = "no-store") -> None:
    """``cache_control`` stays with the object when it is copied into the release."""
    patient_client("s3").put_object(
        Bucket=_bucket(), Key=key, Body=content, ContentType=media_type, CacheControl=cache_control
    )


def _write_lines(key: str, documents: Iterable[Any]) -> None:
    _write(key, b"".join(json.dumps(document, separators=(",", ":")).encode() + b"\n" for document in documents))


def _bucket() -> str:
    return setting("BUCKET_NAME")
