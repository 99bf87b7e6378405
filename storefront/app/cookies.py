"""Cookies of the site: host-only, for all paths, ``HttpOnly`` and ``SameSite=Lax``."""

from starlette.requests import Request
from starlette.responses import Response


class Cookie:
    """A cookie; ``secure`` restricts it to https.

    A secure cookie has the prefix ``__Host-``: browsers accept it only from this host, so that a sibling host cannot set it.
    Browsers accept the prefix only over https, so a cookie without ``secure`` has no prefix.
    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
    """

    def __init__(self, name: str, *, secure: bool) -> None:
        self.name, self._secure = f"__Host-{name}" if secure else name, secure

    def read(self, request: Request) -> str:
        """Return the cookie's value, or "" if it is missing."""
        return request.cookies.get(self.name, "")

    def set(self, response: Response, value: str, seconds: int) -> None:
        response.set_cookie(
            self.name, value, max_age=seconds, path="/", httponly=True, samesite="lax", secure=self._secure
        )

    def delete(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", httponly=True, samesite="lax", secure=self._secure)
