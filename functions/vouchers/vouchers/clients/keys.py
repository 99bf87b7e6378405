"""The keys that codes are made with: derived from a KMS key that never leaves KMS, one per version and one per batch."""

from functools import lru_cache

from setpieces.aws import client
from setpieces.settings import setting


# A function makes few batches at once, and remembers the keys of no others.
@lru_cache(maxsize=8)
def code_key(version: int, salt: str = "") -> bytes:
    """The key of a version, or of the batch with this salt: 32 bytes, always the same.

    https://docs.aws.amazon.com/kms/latest/developerguide/hmac.html
    """
    message = f"voucher-codes/{version}/{salt}" if salt else f"voucher-codes/{version}"
    answer = client("kms").generate_mac(
        KeyId=setting("CODE_KEY_ARN"), Message=message.encode(), MacAlgorithm="HMAC_SHA_256"
    )
    return bytes(answer["Mac"])
