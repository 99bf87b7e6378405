"""Objects of events that the stream delivers. Pure."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class EventObject:
    """An object in the bucket; ``etag`` identifies its content."""

    bucket: str
    key: str
    etag: str

    @property
    def identity(self) -> str:
        """The same for the same content under the same key, in every notification."""
        return f"{self.key}#{self.etag}"

    def payload(self) -> dict[str, str]:
        """{bucket, key, etag}, as processing functions receive it."""
        return asdict(self)
