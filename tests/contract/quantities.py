"""Quantities in prose: a number, in digits or as a word, with an optional unit of time or size.

Values are in seconds, bytes or pieces. A size has two possible values, because pages write KB for 1000 and for 1024 bytes.
"""

import re

MINUTE, HOUR, DAY = 60, 3600, 86_400

_TIMES = {
    "ms": 0.001, "s": 1, "second": 1, "minute": MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY, "year": 365 * DAY
}  # fmt: skip
_SIZES = {"byte": 0, "kb": 1, "kib": 1, "mb": 2, "mib": 2, "gb": 3}
_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "fifteen": 15, "sixteen": 16, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
}  # fmt: skip
_ONE = {"half an": 0.5, "half a": 0.5, "once an": 1, "once a": 1, "every": 1, "each": 1, "one": 1, "an": 1, "a": 1}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_SCALE = rf"(?:{'|'.join(_SCALES)})"
_LONG_TIME = r"(?:second|minute|hour|day|week|year)s?\b"
_UNIT = rf"(?:ms\b|s\b|{_LONG_TIME}|bytes?\b|[KM]i?B\b|GB\b|%)"
_COUNT = rf"(?:{_DIGITS}|\b(?:{'|'.join(_WORDS)})\b)"
_ARTICLE = rf"\b(?:{'|'.join(_ONE)})"

# "a minute" is a quantity in "for a minute" and none in "ten a minute".
_AFTER = r"(?<=\bfor )|(?<=\bof )|(?<=\bwithin )|(?<=\bafter )|(?<=\bthan )|(?<=\bmost )|(?<=\buntil )|(?<=\bto )|(?<=\babout )"
_NOUN = r"(?:[a-z]+(?:-[a-z]+)* )?(?!(?:is|has|was|as|its|this|does|plus|loses|fifths)\b)[A-Za-z]{2,}(?:-[a-z]+)*s\b"
# A call of an AWS service, such as GetItem.
_OPERATION = r"`?(?-i:[A-Z][a-z0-9]+[A-Z])"

QUANTITY = rf"(?:{_ARTICLE} {_SCALE}\b|{_ARTICLE} {_LONG_TIME}|{_COUNT}(?: {_SCALE}\b)?(?:[ -]?{_UNIT})?)"
# What a page must account for: a number with a unit, or with a noun in the plural. "Two things" is rarely a fact.
MENTION = re.compile(
    rf"(?<![\w.:/#=-])(?:(?:{_AFTER}){_ARTICLE} (?:{_SCALE}\b|{_LONG_TIME})|(?:one|half an?|every|each|once an?) {_LONG_TIME}"
    rf"|{_COUNT}(?: {_SCALE}\b)?[ -]?{_UNIT}|{_COUNT}(?= {_OPERATION})"
    rf"|(?!two\b){_COUNT}(?: {_SCALE}\b)?(?= {_NOUN}))",
    re.IGNORECASE,
)
_PARTS = re.compile(rf"(.*?)(?: ({_SCALE}))?(?:[ -]?({_UNIT}))?", re.IGNORECASE)


def values(text: str) -> set[float]:
    """The values that a text that matches ``QUANTITY`` can have: {300} for "five minutes", {8000000, 8388608} for "8 MB"."""
    parts = _PARTS.fullmatch(text.lower())
    assert parts, text
    count, scale, unit = parts.groups()
    number = float(_WORDS.get(count) or _ONE.get(count) or count.replace(",", "")) * _SCALES.get(scale, 1)
    if not unit or unit == "%":
        return {number}
    if unit not in _SIZES:
        unit = unit.removesuffix("s") or "s"
    if unit in _SIZES:
        return {number * base ** _SIZES[unit] for base in (1000, 1024)}
    return {number * _TIMES["ms" if unit == "m" else unit]}
