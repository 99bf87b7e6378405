"""Changing a profile: read, patch, write if the version is unchanged, publish."""

from typing import Any

from customers import events
from customers.clients.platforms import Platforms
from customers.domain.records import apply_patch, profile_not_found, without_platform_members
from customers.requests import UpdateProfile
from setpieces.errors import RETRY_SECONDS, Refused, RetryLater

MAX_TRIES = 3


def update_profile(command: UpdateProfile, platforms: Platforms) -> dict[str, Any]:
    """The customer after the patch.

    A patch whose result is stored already succeeds again (RFC 9110, 13.1.1) and publishes its event again under the same id:
    so a repeat completes a request whose response was lost, or that crashed between the write and the event. An empty patch
    cannot be such a repeat: it only checks that the version is current.

    Raises ``Refused``: PROFILE_NOT_FOUND, PROFILE_CHANGED; ``RetryLater``: PROFILE_BUSY, NOT_PASSED_ON;
    ``ExternalUnavailable``.
    """
    for _ in range(MAX_TRIES):
        current = platforms.find_customer(command.customer_id)
        if current is None:
            raise profile_not_found()
        patched = apply_patch(current, command.patch)
        stale = command.versions is not None and current["version"] not in command.versions
        if stale and (patched != current or not command.patch):
            raise Refused("PROFILE_CHANGED", "The profile is not the one that If-Match names; read it again")
        if patched == current:
            stored: dict[str, Any] | None = current
        else:
            stored = platforms.replace_customer(without_platform_members(patched), current["version"])
        if stored is not None:
            events.publish_profile_updated(command.customer_id, stored["version"])
            return stored
        # A concurrent change. The next try refuses a request that names a version, and patches the new version for others.
    raise RetryLater(RETRY_SECONDS, "Others keep changing this profile; try again", "PROFILE_BUSY")
