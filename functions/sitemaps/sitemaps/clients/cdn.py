"""CloudFront: the distribution that crawlers get the release from."""

from setpieces.aws import patient_client
from setpieces.settings import setting


def invalidate(paths: list[str], reference: str) -> None:
    """Have the CDN request ``paths`` again. The same ``reference`` is the same invalidation.

    https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html
    """
    patient_client("cloudfront").create_invalidation(
        DistributionId=setting("DISTRIBUTION_ID"),
        InvalidationBatch={"Paths": {"Quantity": len(paths), "Items": paths}, "CallerReference": reference},
    )
