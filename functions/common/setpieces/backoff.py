"""How long to wait between attempts. Pure."""


def backoff_seconds(receive_count: int, first: int = 2, most: int = 300) -> int:
    """Seconds to wait after the ``receive_count``-th delivery has failed: ``first``, twice as long each time, ``most``.

    Twenty receives bridge an outage of an hour, and nothing waits much longer than what it waits for was down.
    """
    return min(most, first * 2 ** min(receive_count - 1, 20))
