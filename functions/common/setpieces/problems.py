"""Errors as RFC 9457 problem details, one shape for functions, mapping templates and gateway responses.

{"type", "title", "status", "code", "detail"?, "instance"?, "request_id"?, "errors"?: [{"pointer", "message"}]}
"""

from typing import Any

PROBLEM_TYPES = "https://errors.setpieces.example/"
MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An answer other than success that the caller can act on.

    ``code`` is stable and machine-readable (``INSUFFICIENT_STOCK``); ``errors`` point at fields by JSON pointer;
    ``retry_after`` (whole seconds) becomes the ``Retry-After`` header.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        errors: list[dict[str, str]] | None = None,
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code} {detail}".strip())
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors or []
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def body(self, instance: str = "", request_id: str = "") -> dict[str, Any]:
        """The problem document; empty members are left out."""
        slug = self.code.lower().replace("_", "-")
        document = {
            "type": PROBLEM_TYPES + slug,
            "title": slug.replace("-", " ").capitalize(),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "instance": instance,
            "request_id": request_id,
            "errors": self.errors,
        }
        return {name: value for name, value in document.items() if value}


def invalid(pointer: str, message: str, *, status: int = 400, code: str = "INVALID_REQUEST") -> Problem:
    """A problem about one field of the request, e.g. ``invalid("/quantity", "must be at least 1")``."""
    return Problem(status, code, message, errors=[{"pointer": pointer, "message": message}])


def unavailable(code: str, detail: str, retry_after: int = 2) -> Problem:
    """503 with ``Retry-After``: something we depend on is slow or down, and nothing was changed."""
    return Problem(503, code, detail, retry_after=retry_after)
