"""What the platform's answer means for a record: it is done, it has to wait, or it is given up. Pure."""

from dataclasses import dataclass
from typing import Any

from setpieces import feed_accounts
from setpieces.backoff import backoff_seconds

# With waits that grow from 2 s to 5 minutes a platform can be down, or a product be missing, for forty minutes.
MAX_RECEIVES = 15
_TRANSIENT = {408, 425, 429}


@dataclass(frozen=True)
class Done:
    """``outcome`` is one of ``feed_accounts``."""

    outcome: str


@dataclass(frozen=True)
class GiveUp:
    """Put it on the dead-letter queue at once: no retry can help, or there were enough."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Wait:
    """Try again in ``seconds``."""

    seconds: int
    detail: str = ""


Verdict = Done | GiveUp | Wait


def verdict(result: dict[str, Any], receive_count: int) -> Verdict:
    """On one result of the platform: {status, effect?, code?, detail?, retry_after?}."""
    status, code = result.get("status"), str(result.get("code", ""))
    if status in (200, 201):
        return Done(feed_accounts.UPDATED if result.get("effect") else feed_accounts.UNCHANGED)
    if (status, code) == (409, "STALE_VERSION"):
        return Done(feed_accounts.STALE)
    if status == 404:
        # A price may be faster than its product.
        return patience("DEPENDENCY_MISSING", receive_count)
    if not isinstance(status, int) or status in _TRANSIENT or status == 409 or status >= 500:
        return patience("PLATFORM_UNAVAILABLE", receive_count, int(result.get("retry_after") or 0))
    return GiveUp(code or f"HTTP_{status}", str(result.get("detail", "")))


def patience(reason: str, receive_count: int, advice: int = 0) -> Verdict:
    """Wait, at least as long as the platform advises (seconds), as long as there is patience."""
    if receive_count >= MAX_RECEIVES:
        return GiveUp(reason, f"after {receive_count} deliveries")
    return Wait(max(backoff_seconds(receive_count), advice), reason)
