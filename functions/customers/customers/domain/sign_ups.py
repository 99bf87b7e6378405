"""Rules of sign-ups: how long their links work, how often, and how many are mailed. Pure."""

from dataclasses import dataclass, field

LINK_SECONDS = 24 * 3600
MAILS_PER_HOUR = 5
# Uses of all links of one sign-up. The response to a confirmation reveals whether a password is that of the address's account:
# the MAILS_PER_HOUR sign-ups of an address allow 100 guesses together, as many as a sign-in.
MAX_LINK_USES = 20


@dataclass(frozen=True)
class SignUp:
    """A sign-up whose link was opened."""

    email: str = field(repr=False)
    name: str = field(repr=False)


def mailbox(email: str) -> str:
    """The address without a subaddress (RFC 5233): providers deliver ``ada+shop@...`` to ``ada@...``."""
    local, _, domain = email.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"
