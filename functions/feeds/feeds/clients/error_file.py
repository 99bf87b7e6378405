"""The error file of a segment: one line for every rejected record, gzip.

line {record: number from 1, reason, pointer?, detail?}
"""

import gzip
import json
import tempfile
from typing import IO, Any

from feeds.domain.rejections import Rejection
from setpieces.aws import patient_client
from setpieces.settings import setting


class ErrorFile:
    """Writes lines to disk, and uploads them when the block ends without an error, if there are any.

    The caller sets ``key``, which has the number of the last record, before the block ends. ``reasons`` are the numbers of
    rejected records by reason.
    """

    def __init__(self) -> None:
        self.key = ""
        self.reasons: dict[str, int] = {}
        self._disk: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed when the block ends)
        # Without the time: the same rejections are the same bytes.
        self._file = gzip.GzipFile(fileobj=self._disk, mode="wb", mtime=0)

    def __enter__(self) -> "ErrorFile":
        return self

    def __exit__(self, *raised: Any) -> None:
        self._file.close()
        if self.reasons and not raised[0]:
            self._disk.seek(0)
            patient_client("s3").upload_fileobj(
                self._disk, setting("BUCKET_NAME"), self.key, ExtraArgs={"ContentType": "application/gzip"}
            )
        self._disk.close()

    @property
    def count(self) -> int:
        """The number of rejected records."""
        return sum(self.reasons.values())

    def add(self, number: int, rejection: Rejection) -> None:
        """Add the rejection of the record ``number``, from 0."""
        self.reasons[rejection.reason] = self.reasons.get(rejection.reason, 0) + 1
        members = {
            "record": number + 1,
            "reason": rejection.reason,
            "pointer": rejection.pointer,
            "detail": rejection.detail,
        }
        line = json.dumps({name: value for name, value in members.items() if value})
        self._file.write(line.encode() + b"\n")
