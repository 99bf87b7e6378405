"""The keys that codes are made with: derived from a KMS key that never leaves KMS, one per version."""

from functools import cache

from setpieces.aws import client
from setpieces.settings import setting


@cache
def code_key(version: int) -> bytes:
    """The key of a version, 32 bytes, always the same. https://docs.aws.amazon.com/kms/latest/developerguide/hmac.html"""
    answer = client("kms").generate_mac(
        KeyId=setting("CODE_KEY_ARN"), Message=f"voucher-codes/{version}".encode(), MacAlgorithm="HMAC_SHA_256"
    )
    return bytes(answer["Mac"])
