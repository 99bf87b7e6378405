"""Who may sign in, and how long sessions last. Pure."""

from dataclasses import dataclass

from setpieces.errors import Refused


@dataclass(frozen=True)
class Identity:
    """A person as the identity provider knows them. ``customer_id`` is empty for people who are no customers."""

    identity_id: str
    customer_id: str
    roles: list[str]

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


def session_invalid() -> Refused:
    """401, without WWW-Authenticate: API Gateway would rename it in a function's response."""
    return Refused("SESSION_INVALID", "There is no such session, or it has ended")
