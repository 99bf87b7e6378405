"""The keys of codes, one for each version and one for each batch: derived by KMS from a key that never leaves it."""

from functools import lru_cache

from setpieces.aws import client
from setpieces.settings import setting


# An instance of the function generates few batches at the same time; keys of other batches do not stay in its memory.
@lru_cache(maxsize=8)
def code_key(version: int, salt: str = "") -> bytes:
    """The key of a version, or of the batch with this salt: 32 bytes, always the same.

    https://docs.aws.amazon.com/kms/latest/developerguide/hmac.html
    """
    message = f"voucher-codes/{version}/{salt}" if salt else f"voucher-codes/{version}"
    response = client("kms").generate_mac(
        KeyId=setting("CODE_KEY_ARN"), Message=message.encode(), MacAlgorithm="HMAC_SHA_256"
    )
    return bytes(response["Mac"])
