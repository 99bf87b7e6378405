"""A refusal whose HTTP status is not the usual one of its code. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from setpieces.errors import Refused


class HttpRefusal(Refused):
    """A refusal with a status and headers of its own, as simulators of HTTP systems give it.

    ``members`` are extension members of the problem (RFC 9457, 3.2), such as the new quotation.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[dict[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        retry_after: int | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, detail, retry_after=retry_after)
        self.status = status
        self.members = dict(members or {})
        self.headers = dict(headers or {})
        self._errors = list(errors)

    @property
    def errors(self) -> list[dict[str, str]]:
        return self._errors
