"""The event source mapping that delivers records from the queue to ``update_platform``."""

from botocore.exceptions import ClientError

from setpieces.aws import error_code, single_try_client
from setpieces.parameters import read_parameter
from setpieces.settings import setting


def set_enabled(enabled: bool) -> bool:
    """Enable or disable the mapping; False if another change is in progress.

    https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html
    """
    mapping = read_parameter("feed-pipeline", f"{setting('FEED_TYPE')}-mapping-id")
    try:
        # It often takes longer than the time-out of other calls, and a second attempt would conflict with the first.
        single_try_client("lambda").update_event_source_mapping(UUID=mapping, Enabled=enabled)
    except ClientError as error:
        if error_code(error) != "ResourceInUseException":
            raise
        return False
    return True
