"""A profile is changed: read, merged, written on condition, announced."""

from typing import Any

from customers.clients.platforms import Platforms, no_profile
from customers.domain.profile import merged, to_store
from customers.events import announce_update
from customers.requests import UpdateProfile
from setpieces.errors import RETRY_SECONDS, Refused, RetryLater

RACES = 3


def change(command: UpdateProfile, platforms: Platforms) -> dict[str, Any]:
    """The customer after the patch.

    A change that is there already is answered as if it had just been made (RFC 9110, 13.1.1), and announced again under the
    same id: so a caller whose answer was lost, or a crash between the write and the event, is mended by a repeat. A patch of
    nothing cannot be such a repeat: it only asks whether the version is current.
    Raises ``ExternalUnavailable``, ``Refused`` 403, 412, 503.
    """
    for _ in range(RACES):
        current = platforms.customer(command.customer_id)
        if current is None:
            raise no_profile()
        wanted = merged(current, command.patch)
        stale = command.versions is not None and current["version"] not in command.versions
        if stale and (wanted != current or not command.patch):
            raise Refused("PROFILE_CHANGED", "The profile is not the one that If-Match names; read it again")
        stored = current if wanted == current else platforms.replace_customer(to_store(wanted), current["version"])
        if stored is not None:
            announce_update(command.customer_id, stored["version"])
            return stored
        # Somebody else was faster. Whoever named a version is now told so; anybody else's fields go into the newer one.
    raise RetryLater(RETRY_SECONDS, "Others keep changing this profile; try again", "PROFILE_BUSY")
