"""Tags of voucher numbers under the key of their batch. Pure.

A code is the permutation of ``number + NUMBERS * tag``. So no code can be computed with the key of its version alone, without
the key of its batch, and different numbers still have different codes. https://csrc.nist.gov/pubs/fips/197/final
"""

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from vouchers.domain.codes import TAGS

_BLOCK = 16


def make_tags(batch_key: bytes, first: int, count: int) -> list[int]:
    """The tags, below ``TAGS``, of ``count`` numbers from ``first`` on: one block of AES for each."""
    blocks = b"".join(number.to_bytes(_BLOCK) for number in range(first, first + count))
    # AES as a pseudorandom function of single blocks, which all differ: ECB encrypts many of them in one call.
    encrypted = Cipher(AES(batch_key), modes.ECB()).encryptor().update(blocks)
    return [int.from_bytes(encrypted[at : at + _BLOCK]) % TAGS for at in range(0, len(encrypted), _BLOCK)]
