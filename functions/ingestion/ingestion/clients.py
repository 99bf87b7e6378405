"""Objects that the stream has delivered, as a notification names them."""

from dataclasses import asdict, dataclass
from typing import Any

from setpieces.aws import client


@dataclass(frozen=True)
class Delivered:
    """One object; ``etag`` tells its content."""

    bucket: str
    key: str
    etag: str

    @property
    def identity(self) -> str:
        """The same for the same content under the same key, however often it is told of."""
        return f"{self.key}#{self.etag}"

    def payload(self) -> dict[str, str]:
        return asdict(self)


def read(delivered: Delivered) -> bytes:
    """Its content."""
    answer = client("s3").get_object(Bucket=delivered.bucket, Key=delivered.key)
    return bytes(answer["Body"].read())


def told(event: dict[str, Any]) -> Delivered:
    """The object of S3's event Object Created."""
    found = event["detail"]["object"]
    return Delivered(event["detail"]["bucket"]["name"], found["key"], found["etag"])
