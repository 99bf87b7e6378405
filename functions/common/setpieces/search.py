"""Searches by words, which find a name however it is written: the catalog and the commerce simulator compare alike. Pure."""

from collections.abc import Collection, Iterable
from unicodedata import category, combining, normalize

# Characters of a query as it was typed.
MAX_QUERY_LENGTH = 100


def search_words(text: str) -> tuple[str, ...]:
    """The words of ``text`` without the differences that a search ignores.

    These are case (ß is ss), accents, compatibility forms (full width, ligatures, no-break spaces; NFKC) and characters without
    a width.
    """
    if text.isascii():
        return tuple(text.lower().split())
    # Case folding may compose anew, and decomposing may yield capitals: Unicode 3.13, D146, folds between two normalisations.
    decomposed = normalize("NFKD", normalize("NFKD", text).casefold())
    return tuple("".join(sign for sign in decomposed if not combining(sign) and category(sign) != "Cf").split())


def contains_words(words: Collection[str], texts: Iterable[str]) -> bool:
    """True if each of ``words`` is part of one of ``texts``, in any order; ``words`` are those of ``search_words``."""
    # Without words, as when all products are listed, no text is read.
    searched = [" ".join(search_words(text)) for text in texts if words]
    return all(any(word in text for text in searched) for word in words)
