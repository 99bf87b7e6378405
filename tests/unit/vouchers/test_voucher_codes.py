"""Codes: unique by construction, unguessable, easy to type, and invalid with any typing error."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.settings import ROOT
from vouchers.domain.chunks import CHUNK_SIZE, Chunk, count_in_chunks, split
from vouchers.domain.codes import (
    ALPHABET,
    HALF,
    KEY_VERSIONS,
    LENGTH,
    NUMBERS,
    RADIX,
    TAGS,
    key_version,
    make_codes,
    normalise_code,
    voucher_number,
)
from vouchers.domain.permutation import Permutation
from vouchers.domain.tags import make_tags

KEY = bytes(range(32))
PERMUTATION = Permutation(KEY, RADIX, HALF)
HIGHEST = RADIX ** (2 * HALF) - 1
VALUES = st.integers(0, HIGHEST)


@pytest.mark.parametrize(
    ("key", "radix", "plain", "cipher"),
    [
        # NIST's own samples of FF1 with an empty tweak, for AES-128, 192 and 256.
        # https://csrc.nist.gov/CSRC/media/Projects/Cryptographic-Standards-and-Guidelines/documents/examples/FF1samples.pdf
        ("2B7E151628AED2A6ABF7158809CF4F3C", 10, "0123456789", "2433477484"),
        ("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F", 10, "0123456789", "2830668132"),
        ("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94", 10, "0123456789", "6657667009"),
    ],
)
def test_the_permutation_is_that_of_the_standard(key, radix, plain, cipher):
    permutation = Permutation(bytes.fromhex(key), radix, len(plain) // 2)
    assert permutation.permute([int(plain)]) == [int(cipher)]
    assert permutation.restore([int(cipher)]) == [int(plain)]


class RoundByTable(Permutation):
    """Encrypts each half once a round, for all numbers that share it: a thousand in a domain of 31^4."""

    def _round(self, start, values):
        encrypted = [word % self.modulus for word in super()._round(start, list(range(self.modulus)))]
        return [encrypted[value] for value in values]


@pytest.mark.parametrize(("radix", "half"), [(2, 1), (3, 2), (31, 1), (10, 2), (31, 2)])
def test_the_permutation_reaches_every_number_of_a_small_domain_once(radix, half):
    domain = range(radix ** (2 * half))
    permutation = (Permutation if len(domain) <= 10_000 else RoundByTable)(KEY, radix, half)
    permuted = permutation.permute(domain)
    assert (min(permuted), max(permuted), len(set(permuted))) == (0, domain[-1], len(domain))
    assert permutation.restore(permuted) == list(domain)


@pytest.mark.parametrize(("radix", "half"), [(2, 1), (3, 2), (31, 1), (10, 2), (31, 2)])
def test_rounds_by_table_equal_computed_rounds(radix, half):
    plain, by_table = Permutation(KEY, radix, half), RoundByTable(KEY, radix, half)
    some = range(0, radix ** (2 * half), 101)
    assert by_table.permute(some) == plain.permute(some)
    assert by_table.restore(some) == plain.restore(some)


@given(st.lists(VALUES, min_size=1, max_size=20))
def test_restored_numbers_equal_the_permuted_ones(numbers):
    permuted = PERMUTATION.permute(numbers)
    assert all(0 <= value <= HIGHEST for value in permuted)
    assert PERMUTATION.restore(permuted) == numbers


@given(VALUES, st.integers(1, 50))
def test_a_number_has_the_same_code_in_any_range(first, count):
    first = min(first, HIGHEST - count)
    together = PERMUTATION.permute(range(first, first + count))
    assert together == [PERMUTATION.permute([first + offset])[0] for offset in range(count)]


def test_a_domain_too_large_for_one_block_a_round_is_refused():
    with pytest.raises(ValueError, match="four bytes"):
        Permutation(KEY, 31, 7)


def test_codes_are_distinct_and_well_formed_and_have_their_key_version_and_number():
    codes = make_codes(PERMUTATION, 1, 1, 20_000)
    assert len(set(codes)) == 20_000
    for offset in (0, 1, 4_999, 19_999):
        assert normalise_code(codes[offset]) == codes[offset]
        assert (key_version(codes[offset]), voucher_number(PERMUTATION, codes[offset])) == (1, 1 + offset)
    assert {len(code) for code in codes} == {LENGTH}
    assert set("".join(codes)) == set(ALPHABET)


def test_chunks_make_the_codes_of_the_whole():
    whole = make_codes(PERMUTATION, 1, 7, 12_000)
    assert whole == [
        code for chunk in split(7, 12_000) for code in make_codes(PERMUTATION, 1, chunk.first, chunk.count)
    ]


@given(st.integers(1, 999_999_998))
def test_neighbouring_numbers_have_unrelated_codes(value):
    """Two codes drawn at random share eight symbols or more in the same places once in a thousand million times."""
    here, next_one = make_codes(PERMUTATION, 1, value, 2)
    assert sum(a == b for a, b in zip(here[1:-1], next_one[1:-1], strict=True)) <= 7


def test_every_symbol_is_as_frequent_as_every_other_in_each_place():
    codes = make_codes(PERMUTATION, 1, 1, 31_000)
    for position in range(1, LENGTH):
        counts = Counter(code[position] for code in codes)
        # 1,000 each, with a standard deviation of 31.
        assert all(800 < counts[symbol] < 1_200 for symbol in ALPHABET)


def test_codes_of_different_keys_are_distinct():
    other = Permutation(bytes(32), RADIX, HALF)
    assert set(make_codes(PERMUTATION, 1, 1, 1000)).isdisjoint(make_codes(other, 2, 1, 1000))
    assert make_codes(PERMUTATION, 1, 1, 10) != [f"3{code[1:]}" for code in make_codes(other, 1, 1, 10)]


@given(st.binary(min_size=32, max_size=32), st.integers(1, NUMBERS - 51), st.integers(1, 50))
def test_a_tag_keeps_the_number_and_is_the_same_in_any_chunk(batch_key, first, count):
    codes = make_codes(PERMUTATION, 1, first, count, make_tags(batch_key, first, count))
    assert [voucher_number(PERMUTATION, code) for code in codes] == list(range(first, first + count))
    last = first + count - 1
    assert codes[-1:] == make_codes(PERMUTATION, 1, last, 1, make_tags(batch_key, last, 1))


def test_the_key_of_a_version_gives_no_code_of_a_batch():
    """With that key, and even with another batch's key, the tag has to be guessed: one of ``TAGS``."""
    first, count = 1, 5_000
    batches = [make_tags(bytes([number]) * 32, first, count) for number in range(3)]
    codes = [set(make_codes(PERMUTATION, 1, first, count, own)) for own in (None, *batches)]
    assert len(set().union(*codes)) == 4 * count
    assert all(0 <= tag < TAGS for own in batches for tag in own)
    # Spread evenly: half of them are in the lower half, with a standard deviation of 61 of 15,000.
    assert abs(sum(tag < TAGS // 2 for own in batches for tag in own) - 7_500) < 400


def test_tags_and_numbers_use_the_range_of_codes():
    assert make_codes(PERMUTATION, 1, NUMBERS - 1, 1, [TAGS - 1])
    with pytest.raises(ValueError, match="numbers are below"):
        make_codes(PERMUTATION, 1, NUMBERS - 1, 2, [0, 0])
    assert (TAGS + 1) * NUMBERS > RADIX ** (2 * HALF) >= TAGS * NUMBERS
    # As guesses at the API's 500 a second go: three weeks for a code, if the key of the version is known.
    assert TAGS > 500 * 86_400 * 18


def test_the_sequence_of_vouchers_ends_with_the_numbers():
    lease = (ROOT / "schemas" / "api" / "sequences.yaml").read_text().split("/v1/sequences/voucher/lease:")[1]
    assert f"#set($lastFree = {NUMBERS - 1} - $count)" in lease.split("\n  /v1/")[0]


@pytest.mark.parametrize("version", [0, KEY_VERSIONS + 1, -1])
def test_there_are_thirty_key_versions(version):
    with pytest.raises(ValueError, match="key versions"):
        make_codes(PERMUTATION, version, 1, 1)


CODES = st.builds(
    lambda value, version: make_codes(PERMUTATION, version, value, 1)[0], VALUES, st.integers(1, KEY_VERSIONS)
)


@given(CODES)
def test_one_wrong_symbol_makes_a_code_invalid(code):
    for position, right in enumerate(code):
        for wrong in ALPHABET.replace(right, ""):
            assert normalise_code(code[:position] + wrong + code[position + 1 :]) is None


@given(CODES)
def test_two_swapped_symbols_make_a_code_invalid(code):
    for one, other in combinations(range(LENGTH), 2):
        symbols = list(code)
        symbols[one], symbols[other] = symbols[other], symbols[one]
        assert normalise_code("".join(symbols)) == (code if code[one] == code[other] else None)


@given(CODES)
def test_a_code_may_be_typed_with_hyphens_blanks_and_small_letters(code):
    assert normalise_code(f" {code[:5]}-{code[5:9]} {code[9:]} ".lower()) == code


@given(st.text(max_size=40))
def test_other_texts_are_no_codes(text):
    code = normalise_code(text)
    assert code is None or (len(code) == LENGTH and set(code) <= set(ALPHABET))


def test_a_batch_is_divided_into_chunks():
    assert split(11, 12_000) == [Chunk(0, 11, CHUNK_SIZE), Chunk(1, 5_011, CHUNK_SIZE), Chunk(2, 10_011, 2_000)]
    assert split(11, 12_000, {0, 2}) == [Chunk(1, 5_011, CHUNK_SIZE)]
    assert split(1, 1) == [Chunk(0, 1, 1)]


@given(st.integers(1, 30_000), st.data())
def test_done_and_remaining_chunks_add_up(count, data):
    every = split(1, count)
    done = data.draw(st.sets(st.sampled_from([chunk.index for chunk in every])))
    assert count_in_chunks(count, done) + sum(chunk.count for chunk in split(1, count, done)) == count
    assert sum(chunk.count for chunk in every) == count
