"""Reads an uploaded object in parts, each by its own request: reading a feed takes longer than a connection lasts."""

import io
from typing import Any

from botocore.exceptions import ClientError

from feeds.domain.feeds import Upload
from setpieces.aws import client, error_code

PART_BYTES = 8 * 1024 * 1024


class UploadReplaced(Exception):
    """The object was replaced or deleted; its replacement is an upload of its own."""


class UploadStream(io.RawIOBase):
    """The bytes of an uploaded object. Reading raises ``UploadReplaced``."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._position = 0
        self._part = io.BytesIO()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._part.readinto(buffer)
        if not count and self._position < self._upload.size:
            self._part = io.BytesIO(self._read_part())
            count = self._part.readinto(buffer)
        return count

    def _read_part(self) -> bytes:
        end = min(self._position + PART_BYTES, self._upload.size)
        try:
            response = client("s3").get_object(
                Bucket=self._upload.bucket,
                Key=self._upload.key,
                Range=f"bytes={self._position}-{end - 1}",
                IfMatch=f'"{self._upload.etag}"',
            )
        except ClientError as error:
            if error_code(error) in ("PreconditionFailed", "412", "NoSuchKey"):
                raise UploadReplaced(self._upload.key) from error
            raise
        self._position = end
        return bytes(response["Body"].read())
