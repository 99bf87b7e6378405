"""The bucket: a part for each chunk while a batch is generated, then one file with a manifest.

work/<batch_id>/<index>.csv     the codes of one chunk, one a line; removed when the file is stored
release/<batch_id>.csv          all codes, one a line; no header, so that every line is a voucher
release/<batch_id>.json         {batch_id, count, bytes, sha256}
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from setpieces.aws import client, patient_client
from setpieces.settings import setting

# Above the minimum of S3 for the parts of a multipart upload (5 MiB), and a limit on the memory that an upload needs.
PART_BYTES = 8 * 1024 * 1024
_LINE_END = b"\n"


@dataclass(frozen=True)
class Manifest:
    """Content of the file of a batch; ``sha256`` is in hex."""

    batch_id: str
    count: int
    bytes: int
    sha256: str


class CountMismatch(Exception):
    """The parts do not have as many codes as the batch; no file was stored."""


def store_part(batch_id: str, index: int, codes: Iterable[str]) -> None:
    """Store the codes of one chunk."""
    body = "".join(f"{code}\n" for code in codes).encode()
    patient_client("s3").put_object(Bucket=_bucket(), Key=_part_key(batch_id, index), Body=body, ContentType="text/csv")


def list_parts(batch_id: str) -> set[int]:
    """The indexes of the chunks whose parts are stored: parts expire after a day."""
    pages = patient_client("s3").get_paginator("list_objects_v2").paginate(Bucket=_bucket(), Prefix=f"work/{batch_id}/")
    keys = (entry["Key"] for page in pages for entry in page.get("Contents", ()))
    return {int(key.rsplit("/", 1)[-1].removesuffix(".csv")) for key in keys}


def file_key(batch_id: str) -> str:
    """The key of the file of a batch."""
    return f"release/{batch_id}.csv"


def store_file(batch_id: str, parts: int, count: int) -> Manifest:
    """Store the parts of a batch as one file with a manifest. Raises ``CountMismatch``.

    The file is stored whole or not at all. The same parts give the same file, byte for byte.
    """
    digest, lines, size = hashlib.sha256(), 0, 0
    upload: dict[str, Any] = {"Bucket": _bucket(), "Key": file_key(batch_id)}
    # The SDK sends a checksum with every part. S3 accepts it for an upload that was created with this algorithm, and then
    # requires it when the upload is completed.
    created = client("s3").create_multipart_upload(**upload, ContentType="text/csv", ChecksumAlgorithm="CRC32")
    upload["UploadId"] = created["UploadId"]
    try:
        uploaded: list[Any] = []
        for number, content in enumerate(_upload_parts(_read_parts(batch_id, parts)), start=1):
            digest.update(content)
            lines += content.count(_LINE_END)
            size += len(content)
            part = patient_client("s3").upload_part(
                **upload, PartNumber=number, Body=content, ChecksumAlgorithm="CRC32"
            )
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


def delete_file(batch_id: str) -> None:
    """Delete the file of a batch and its manifest; they may be missing."""
    for key in (file_key(batch_id), _manifest_key(batch_id)):
        client("s3").delete_object(Bucket=_bucket(), Key=key)


def delete_parts(batch_id: str, parts: int) -> None:
    """Delete the parts of a batch whose file is stored; ``parts`` is their number."""
    keys = [_part_key(batch_id, index) for index in range(parts)]
    for start in range(0, len(keys), 1000):
        objects: list[Any] = [{"Key": key} for key in keys[start : start + 1000]]
        client("s3").delete_objects(Bucket=_bucket(), Delete={"Objects": objects, "Quiet": True})


def _read_parts(batch_id: str, parts: int) -> Iterator[bytes]:
    for index in range(parts):
        yield patient_client("s3").get_object(Bucket=_bucket(), Key=_part_key(batch_id, index))["Body"].read()


def _upload_parts(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in parts that are large enough for a multipart upload."""
    buffer = bytearray()
    for part in parts:
        buffer += part
        if len(buffer) >= PART_BYTES:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _manifest_key(batch_id: str) -> str:
    return f"release/{batch_id}.json"


def _part_key(batch_id: str, index: int) -> str:
    return f"work/{batch_id}/{index:05}.csv"


def _bucket() -> str:
    return setting("BUCKET_NAME")
