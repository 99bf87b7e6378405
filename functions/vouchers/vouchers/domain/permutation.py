"""A keyed permutation of numbers: FF1 of NIST SP 800-38G, section 5.1, with an empty tweak. Pure.

Consecutive numbers become unrelated numbers, different numbers become different numbers, and without the key the permutation
cannot be told from a random one. https://nvlpubs.nist.gov/nistpubs/SpecialPublications/NIST.SP.800-38G.pdf

FF1 encrypts one block of AES for each number and round. Numbers are permuted together, round by round, with one call of AES
for all of them: this is several times faster than drawing random codes.
"""

import sys
from array import array
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

ROUNDS = 10
_WORD = 8


class Permutation:
    """A permutation of the numbers below ``radix ** (2 * half)``; ``key`` is an AES key of 16, 24 or 32 bytes.

    Raises ``ValueError`` for a key of another length, and for a domain that needs more than one block a round.
    """

    def __init__(self, key: bytes, radix: int, half: int) -> None:
        self.modulus = radix**half
        width = ((self.modulus - 1).bit_length() + 7) // 8
        if width > 4:
            raise ValueError("half of the domain has to fit into four bytes")
        # FF1 encrypts single blocks: ECB is not a mode of encryption here, but encrypts many of them in one call.
        self._aes = Cipher(AES(key), modes.ECB())
        # Step 5 of the standard, P: the same first block for every number; the second block is XORed with its encryption.
        header = bytes([1, 2, 1]) + radix.to_bytes(3) + bytes([ROUNDS, half & 0xFF])
        encrypted = self._aes.encryptor().update(header + (2 * half).to_bytes(4) + bytes(4))
        self._left = int.from_bytes(encrypted[:_WORD])
        right = int.from_bytes(encrypted[_WORD:])
        # In Q, the number of the round is just before the half of the permuted number.
        self._rounds = [right ^ (number << (8 * width)) for number in range(ROUNDS)]

    def halves(self, numbers: Sequence[int]) -> tuple[list[int], list[int]]:
        """The permuted numbers, as quotients and remainders of ``modulus``."""
        modulus = self.modulus
        a, b = [number // modulus for number in numbers], [number % modulus for number in numbers]
        for start in self._rounds:
            added = self._round(start, b)
            a, b = b, [(left + right) % modulus for left, right in zip(a, added, strict=True)]
        return a, b

    def permute(self, numbers: Sequence[int]) -> list[int]:
        """The permuted numbers."""
        return [high * self.modulus + low for high, low in zip(*self.halves(numbers), strict=True)]

    def restore(self, numbers: Sequence[int]) -> list[int]:
        """The numbers of these permuted numbers: the inverse of ``permute``."""
        modulus = self.modulus
        a, b = [number // modulus for number in numbers], [number % modulus for number in numbers]
        for start in reversed(self._rounds):
            added = self._round(start, a)
            a, b = [(left - right) % modulus for left, right in zip(b, added, strict=True)], a
        return [high * modulus + low for high, low in zip(a, b, strict=True)]

    def _round(self, start: int, values: list[int]) -> array:
        """Steps 6.ii to 6.iv for each value: the first eight bytes of the encrypted block, as a number."""
        blocks = array("Q", [self._left]) * (2 * len(values))
        blocks[1::2] = array("Q", [start ^ value for value in values])
        _swap(blocks)
        encrypted = array("Q", self._aes.encryptor().update(blocks.tobytes()))[::2]
        _swap(encrypted)
        return encrypted


def _swap(words: array) -> None:
    """Convert between this machine's byte order and the standard's, which is big-endian."""
    if sys.byteorder == "little":
        words.byteswap()
