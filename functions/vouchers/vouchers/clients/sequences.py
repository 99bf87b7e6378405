"""The sequences service, which leases the numbers of vouchers."""

from setpieces import signed_client
from setpieces.errors import ExternalUnavailable

TIMEOUT_SECONDS = 5.0


class SequencesUnavailable(Exception):
    """The sequences service leased no numbers."""


def lease_numbers(count: int) -> tuple[int, int]:
    """The first and the last of ``count`` consecutive numbers. Raises ``SequencesUnavailable``."""
    try:
        response = signed_client.call(
            "sequences",
            "POST",
            "/v1/sequences/voucher/lease",
            body={"count": count},
            timeout=TIMEOUT_SECONDS,
            repeatable=True,
        )
    except ExternalUnavailable as error:
        raise SequencesUnavailable(str(error)) from error
    if response.status != 200:
        raise SequencesUnavailable(f"status {response.status}")
    return response.body["first"], response.body["last"]
