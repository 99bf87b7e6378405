"""Scans JSON values one by one from a stream of bytes, with the standard library's decoder and a small buffer.

ijson, the usual choice, ends the process on numbers of more than 4,300 digits and on deep nesting (3.6.0, its C backend), and
accepts duplicate names in an object; the decoder of ``json`` raises errors, and lets the caller detect duplicates.
"""

import codecs
import json
from collections.abc import Callable
from typing import Any, BinaryIO

BLOCK = 64 * 1024
_WHITE_SPACE = " \t\n\r"


class TooLarge(ValueError):
    """A value, or the white space before one, is larger than the reader allows."""


class JsonScanner:
    """The values and separators of ``stream``. ``to_object`` builds an object from its pairs; a value has up to ``max_length``
    characters.

    All methods raise ``ValueError`` (``UnicodeDecodeError``, ``TooLarge``) if the stream is not JSON in UTF-8, and
    ``RecursionError`` if it is nested too deep; nothing can be read after that.
    """

    def __init__(self, stream: BinaryIO, to_object: Callable[[list[tuple[str, Any]]], Any], max_length: int) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._scan = json.JSONDecoder(object_pairs_hook=to_object).raw_decode
        self._max_length = max_length
        self._text = ""
        self._position = 0
        self._ended = False
        self._decode_error: UnicodeDecodeError | None = None

    def peek(self) -> str:
        """The next character that is not white space, without consuming it; "" at the end."""
        skipped = 0
        while True:
            while self._position < len(self._text):
                if self._text[self._position] not in _WHITE_SPACE:
                    return self._text[self._position]
                self._position += 1
                skipped += 1
            if skipped > self._max_length:
                raise TooLarge(f"more than {self._max_length} characters of white space")
            if not self._read_more():
                return ""

    def take(self, expected: str) -> str:
        """Consume the next character, which has to be one of ``expected``."""
        character = self.peek()
        if not character or character not in expected:
            raise ValueError(f"expected {' or '.join(expected)}, found {character or 'the end'}")
        self._position += 1
        return character

    def take_value(self) -> Any:
        """Consume the next value."""
        self.peek()
        while True:
            try:
                value, end = self._scan(self._text, self._position)
                # A number at the end of the buffer may continue in the next block.
                if end < len(self._text) or not self._read_more():
                    if end - self._position > self._max_length:
                        raise TooLarge(f"a value of more than {self._max_length} characters")
                    self._position = end
                    return value
            except ValueError:
                if len(self._text) - self._position > self._max_length:
                    raise TooLarge(f"no end of a value within {self._max_length} characters") from None
                if not self._read_more():
                    raise

    def _read_more(self) -> bool:
        """Read the next block; False at the end."""
        if self._decode_error:
            raise self._decode_error
        if self._ended:
            return False
        block = self._stream.read(BLOCK)
        self._ended = not block
        try:
            text = self._decode(block, final=self._ended)
        except UnicodeDecodeError as error:
            # The values before it can still be read.
            text, self._decode_error = error.object[: error.start].decode(), error
        self._text = self._text[self._position :] + text
        self._position = 0
        return not self._ended
