"""JSON values one after the other out of a stream of bytes, by the standard library's decoder and a buffer that stays small.

ijson, the usual choice, ends the process on numbers of more than 4,300 digits and on deep nesting (3.6.0, its C backend), and
takes a name that stands in an object twice; the decoder of ``json`` raises an error for each.
"""

import codecs
import json
from collections.abc import Callable
from typing import Any, BinaryIO

BLOCK = 64 * 1024
_WHITE = " \t\n\r"


class TooLarge(ValueError):
    """A value, or the white space before one, is larger than the reader allows."""


class Values:
    """What stands next in ``stream``. ``members`` makes an object of its pairs; a value has at most ``most`` characters.

    All methods raise ``ValueError`` (``UnicodeDecodeError``, ``TooLarge``) for what is not JSON in UTF-8, and
    ``RecursionError`` for what is nested too deep; nothing can be read after that.
    """

    def __init__(self, stream: BinaryIO, members: Callable[[list[tuple[str, Any]]], Any], most: int) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._scan = json.JSONDecoder(object_pairs_hook=members).raw_decode
        self._most = most
        self._text = ""
        self._at = 0
        self._ended = False
        self._broken: UnicodeDecodeError | None = None

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        skipped = 0
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _WHITE:
                    return self._text[self._at]
                self._at += 1
                skipped += 1
            if skipped > self._most:
                raise TooLarge(f"more than {self._most} characters of white space")
            if not self._more():
                return ""

    def take(self, expected: str) -> str:
        """The next character, which has to be one of ``expected``."""
        found = self.peek()
        if not found or found not in expected:
            raise ValueError(f"expected {' or '.join(expected)}, found {found or 'the end'}")
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value."""
        self.peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
                # A number that ends with the buffer may go on behind it.
                if end < len(self._text) or not self._more():
                    if end - self._at > self._most:
                        raise TooLarge(f"a value of more than {self._most} characters")
                    self._at = end
                    return value
            except ValueError:
                if len(self._text) - self._at > self._most:
                    raise TooLarge(f"no end of a value within {self._most} characters") from None
                if not self._more():
                    raise

    def _more(self) -> bool:
        """Read on; False at the end."""
        if self._broken:
            raise self._broken
        if self._ended:
            return False
        block = self._stream.read(BLOCK)
        self._ended = not block
        try:
            text = self._decode(block, final=self._ended)
        except UnicodeDecodeError as error:
            # What stands before it is as good as anything.
            text, self._broken = error.object[: error.start].decode(), error
        self._text = self._text[self._at :] + text
        self._at = 0
        return not self._ended
