"""An object of S3 as a stream, in pieces that are each fetched anew: reading a feed takes longer than a connection lasts."""

import io
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from setpieces.aws import client, error_code

PIECE = 8 * 1024 * 1024


class Replaced(Exception):
    """The object is another one by now, or gone: what replaced it is a feed of its own."""


@dataclass(frozen=True)
class Uploaded:
    """An uploaded object, as the event says it; ``etag`` without quotes, ``size`` in bytes, ``at`` in RFC 3339."""

    bucket: str
    key: str
    etag: str
    size: int
    sequencer: str
    at: str = ""


class Stream(io.RawIOBase):
    """The bytes of an uploaded object. Reading raises ``Replaced``."""

    def __init__(self, uploaded: Uploaded) -> None:
        self._uploaded = uploaded
        self._at = 0
        self._piece = io.BytesIO()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._piece.readinto(buffer)
        if not read and self._at < self._uploaded.size:
            self._piece = io.BytesIO(self._fetch())
            read = self._piece.readinto(buffer)
        return read

    def _fetch(self) -> bytes:
        end = min(self._at + PIECE, self._uploaded.size)
        try:
            answer = client("s3").get_object(
                Bucket=self._uploaded.bucket,
                Key=self._uploaded.key,
                Range=f"bytes={self._at}-{end - 1}",
                IfMatch=f'"{self._uploaded.etag}"',
            )
        except ClientError as error:
            if error_code(error) in ("PreconditionFailed", "412", "NoSuchKey"):
                raise Replaced(self._uploaded.key) from error
            raise
        self._at = end
        return bytes(answer["Body"].read())
