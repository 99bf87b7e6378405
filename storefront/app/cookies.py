"""The site's own cookies: for its host and all of its paths, not for scripts, and not for requests that other sites send."""

from starlette.requests import Request
from starlette.responses import Response


class Cookie:
    """A cookie ``name``; ``secure`` says whether it is for https only.

    Then its name begins with ``__Host-``: browsers take such a cookie only from this host, so that no sibling host can set one.
    They take it over https only, so without https the name is plain.
    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
    """

    def __init__(self, name: str, *, secure: bool) -> None:
        self.name, self._secure = f"__Host-{name}" if secure else name, secure

    def read(self, request: Request) -> str:
        """Its value, "" without one."""
        return request.cookies.get(self.name, "")

    def set(self, response: Response, value: str, seconds: int) -> None:
        response.set_cookie(
            self.name, value, max_age=seconds, path="/", httponly=True, samesite="lax", secure=self._secure
        )

    def delete(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", httponly=True, samesite="lax", secure=self._secure)
