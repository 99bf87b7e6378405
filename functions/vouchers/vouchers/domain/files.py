"""The bucket: a part for each chunk while a batch is made, and then one file with a manifest.

work/<batch_id>/<index>.csv                the codes of one chunk, one a line; removed once they are in the file
release/<batch_id>.csv                       all codes, one a line; no header, so that lines are vouchers
release/<batch_id>.json                      {batch_id, count, bytes, sha256}
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from setpieces.aws import client, patient_client
from setpieces.settings import setting

# S3 takes no smaller parts of a multipart upload but for the last one; no more than this is ever held in memory.
PART_BYTES = 8 * 1024 * 1024
_LINE = b"\n"


@dataclass(frozen=True)
class Manifest:
    """What the file of a batch holds; ``sha256`` in hex."""

    batch_id: str
    count: int
    bytes: int
    sha256: str


class CountMismatch(Exception):
    """The parts do not hold as many codes as the batch has; no file was stored."""


def store_part(batch_id: str, index: int, codes: Iterable[str]) -> None:
    """Keep the codes of one chunk."""
    body = "".join(f"{code}\n" for code in codes).encode()
    patient_client("s3").put_object(Bucket=_bucket(), Key=_part_key(batch_id, index), Body=body, ContentType="text/csv")


def stored_parts(batch_id: str) -> set[int]:
    """The indexes of the chunks whose parts are there: the bucket forgets parts after a day."""
    pages = patient_client("s3").get_paginator("list_objects_v2").paginate(Bucket=_bucket(), Prefix=f"work/{batch_id}/")
    keys = (entry["Key"] for page in pages for entry in page.get("Contents", ()))
    return {int(key.rsplit("/", 1)[-1].removesuffix(".csv")) for key in keys}


def file_key(batch_id: str) -> str:
    """Where the file of a batch is."""
    return f"release/{batch_id}.csv"


def store_file(batch_id: str, parts: int, count: int) -> Manifest:
    """Put the parts of a batch into one file, and say in its manifest what it holds. Raises ``CountMismatch``.

    The file appears in one piece or not at all, and is the same, byte for byte, whenever it is made from the same parts.
    """
    digest, lines, size = hashlib.sha256(), 0, 0
    upload: dict[str, Any] = {"Bucket": _bucket(), "Key": file_key(batch_id)}
    # The SDK sends a checksum with every part: S3 expects them of an upload that was begun with this algorithm, and then also
    # when it is completed.
    created = client("s3").create_multipart_upload(**upload, ContentType="text/csv", ChecksumAlgorithm="CRC32")
    upload["UploadId"] = created["UploadId"]
    try:
        uploaded: list[Any] = []
        for number, piece in enumerate(_pieces(_parts(batch_id, parts)), start=1):
            digest.update(piece)
            lines += piece.count(_LINE)
            size += len(piece)
            part = patient_client("s3").upload_part(**upload, PartNumber=number, Body=piece, ChecksumAlgorithm="CRC32")
            uploaded.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
        if lines != count:
            raise CountMismatch(f"{lines} codes instead of {count}")
        patient_client("s3").complete_multipart_upload(**upload, MultipartUpload={"Parts": uploaded})
    except Exception:
        client("s3").abort_multipart_upload(**upload)
        raise
    manifest = Manifest(batch_id, lines, size, digest.hexdigest())
    document = json.dumps(asdict(manifest), indent=2).encode()
    key = _manifest_key(batch_id)
    client("s3").put_object(Bucket=_bucket(), Key=key, Body=document, ContentType="application/json")
    return manifest


def remove_file(batch_id: str) -> None:
    """Remove the file of a batch and its manifest, if they are there."""
    for key in (file_key(batch_id), _manifest_key(batch_id)):
        client("s3").delete_object(Bucket=_bucket(), Key=key)


def remove_parts(batch_id: str, parts: int) -> None:
    """Forget the parts of a batch whose file is stored."""
    keys = [_part_key(batch_id, index) for index in range(parts)]
    for start in range(0, len(keys), 1000):
        objects: list[Any] = [{"Key": key} for key in keys[start : start + 1000]]
        client("s3").delete_objects(Bucket=_bucket(), Delete={"Objects": objects, "Quiet": True})


def _parts(batch_id: str, parts: int) -> Iterator[bytes]:
    for index in range(parts):
        yield patient_client("s3").get_object(Bucket=_bucket(), Key=_part_key(batch_id, index))["Body"].read()


def _pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that S3 takes."""
    waiting = bytearray()
    for part in parts:
        waiting += part
        if len(waiting) >= PART_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _manifest_key(batch_id: str) -> str:
    return f"release/{batch_id}.json"


def _part_key(batch_id: str, index: int) -> str:
    return f"work/{batch_id}/{index:05}.csv"


def _bucket() -> str:
    return setting("BUCKET_NAME")
