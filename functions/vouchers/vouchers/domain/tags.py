"""What makes the codes of a batch its own: a tag for each number, under a key of the batch. Pure.

A code is made from ``number + NUMBERS * tag``. The key of a version alone gives no code away: its batch's key is needed too,
and different numbers still have different codes. https://csrc.nist.gov/pubs/fips/197/final
"""

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from vouchers.domain.codes import TAGS

_BLOCK = 16


def tags(batch_key: bytes, first: int, count: int) -> list[int]:
    """The tags, below ``TAGS``, of ``count`` numbers from ``first`` on: each number's own block of AES."""
    blocks = b"".join(number.to_bytes(_BLOCK) for number in range(first, first + count))
    # Single blocks that all differ, as a pseudorandom function: ECB is the way to call AES for many of them.
    encrypted = Cipher(AES(batch_key), modes.ECB()).encryptor().update(blocks)
    return [int.from_bytes(encrypted[at : at + _BLOCK]) % TAGS for at in range(0, len(encrypted), _BLOCK)]
