"""Java's regular expressions, as Python's."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from apigw_executor.vtl.values import JavaError

_POSIX = {
    "Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9", "Upper": "A-Z", "Lower": "a-z", "Space": r"\s",
    "Punct": r"!-/:-@\[-`{-~", "XDigit": "0-9a-fA-F", "Cntrl": r"\x00-\x1f\x7f", "Graph": "!-~", "Print": " -~",
    "ASCII": r"\x00-\x7f", "Blank": r" \t", "L": r"^\W\d_", "N": r"\d",
}  # fmt: skip


@lru_cache(maxsize=512)
def pattern(source: str) -> re.Pattern[str]:
    """A Java regular expression: \\Q..\\E, \\p{..} and \\z are written otherwise in Python; classes are ASCII as in
    Java."""
    out: list[str] = []
    in_class = False
    position = 0
    while position < len(source):
        char = source[position]
        if char == "\\" and position + 1 < len(source):
            following = source[position + 1]
            if following == "Q":
                end = source.find("\\E", position)
                end = len(source) if end < 0 else end
                out.append(re.escape(source[position + 2 : end]))
                position = end + 2
                continue
            named = re.match(r"\\p\{(?:Is)?(\w+)\}", source[position:])
            if named and named[1] in _POSIX:
                out.append(_POSIX[named[1]] if in_class else f"[{_POSIX[named[1]]}]")
                position += named.end()
                continue
            out.append("\\Z" if following in "zZ" else char + following)
            position += 2
            continue
        if char == "[":
            in_class = True
        elif char == "]":
            in_class = False
        out.append(char)
        position += 1
    try:
        return re.compile("".join(out), re.ASCII)
    except re.error as error:
        raise JavaError(f"bad pattern {source}: {error}") from None


def replacement(template: str) -> Callable[[re.Match[str]], str]:
    """Matcher.appendReplacement: `$n` is a group, a backslash makes the next character literal."""

    def expand(match: re.Match[str]) -> str:
        out: list[str] = []
        position = 0
        while position < len(template):
            char = template[position]
            if char == "\\":
                if position + 1 == len(template):
                    raise JavaError("character to be escaped is missing")
                out.append(template[position + 1])
                position += 2
            elif char == "$":
                group = re.match(r"\$(?:([0-9])|\{([A-Za-z][A-Za-z0-9]*)\})", template[position:])
                if not group:
                    raise JavaError("illegal group reference")
                try:
                    out.append(match.group(int(group[1]) if group[1] else group[2]) or "")
                except IndexError:
                    raise JavaError(f"no group {group[1] or group[2]}") from None
                position += group.end()
            else:
                out.append(char)
                position += 1
        return "".join(out)

    return expand
