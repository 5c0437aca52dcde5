"""Tells whether text can be what a page shows, and compares two readings of it. Pure functions."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

# In the languages of Europe 35 to 50 % of the letters are vowels, and 62 to 85 % are one of the eleven letters that are
# frequent in all of them, without accents. A font with a shifted character table gives 15 to 30 %, and about 40 %.
_VOWELS = frozenset("aeiouyæœø")
_MIN_VOWELS, _MAX_VOWELS = 0.24, 0.62
_COMMON = frozenset("aeionrstldu")
_MIN_COMMON = 0.5
# Fewer Latin letters than this have no typical shares.
_MIN_LETTERS = 40
# Lines are short, so the shares of one line tell less. Lines of this length must be such a part of the text's letters.
_MIN_LINE, _MIN_PART = 20, 0.15
# Frequent short words of many languages in Latin script: a text of this many words has at least one of them.
_MIN_WORDS = 60
_FREQUENT = frozenset(
    word
    for words in (
        "an and are as at be by for from in is it not of on or that the this to was with you",  # English
        "das dem den der des die ein eine ist mit nicht und von zu für auf im",  # German
        "au aux ce de des du en est et il la le les ne pas pour que qui sur un une",  # French
        "al con da del della di el gli los las lo non para per por se si su una",  # Italian, Spanish
        "ao com do dos em na no os um uma het een van op te voor zijn met",  # Portuguese, Dutch
        "av att det ett för med och på som till är af for og til er den",  # Swedish, Danish, Norwegian
        "ja on ei se että oli na do nie się to jest je že se",  # Finnish, Polish, Czech, Slovak, Croatian
        "az és hogy nem egy din cu pe ve bir bu için dan yang ini dengan",  # Hungarian, Romanian, Turkish, Malay
    )
    for word in words.split()
)
# Of at least so many words, at most this share mixes scripts that never stand in one word.
_MIN_MIXED_WORDS, _MAX_MIXED = 8, 0.3
# Any text may have Latin letters, and Japanese mixes its scripts in one word.
_MIXING = {"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH", "FULLWIDTH", "IDEOGRAPHIC", ""}
_PHONETIC = re.compile("[\u0250-\u02af]")
_WORD = re.compile(r"\w+")


def is_implausible(text: str) -> bool:
    """Tell whether text has letters, but no words: of a language in Latin script, or of one script only.

    Tables of codes look like this too. So this is a reason to look at the page, not to reject the text.
    """
    letters = _letters(text)
    if len(letters) >= _MIN_LETTERS and not _are_of_a_language(letters):
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    mixed = sum(_is_mixed(word) for word in words)
    if len(words) >= _MIN_MIXED_WORDS and mixed > _MAX_MIXED * len(words):
        return True
    latin = [word for word in words if all(map(_is_latin, word))]
    return len(latin) >= _MIN_WORDS and _FREQUENT.isdisjoint(latin)


def is_language(text: str) -> bool:
    """Tell whether text is surely in a language in Latin script: it has typical letters and a frequent word."""
    letters = _letters(text)
    words = re.findall(r"[^\W\d_]+", text.lower())
    return len(letters) >= _MIN_LETTERS and _are_of_a_language(letters) and not _FREQUENT.isdisjoint(words)


def implausible_lines(lines: Sequence[tuple[int, str]]) -> set[int]:
    """Return which lines have the letters of no language. Each line has the number of its font (0: unknown) and a text.

    One font of a page may have a wrong table, and the others right ones. So the lines of each font are judged together,
    and then each line by itself, if such lines are a good part of the text.
    """
    letters = [_letters(text) for _, text in lines]
    of_font: dict[int, list[str]] = {}
    for (font, _), found in zip(lines, letters, strict=True):
        of_font.setdefault(font, []).extend(found)
    wrong = {
        font for font, found in of_font.items() if len(found) >= _MIN_LETTERS and not _are_of_a_language(found)
    } - {0}
    odd = {number for number, found in enumerate(letters) if len(found) >= _MIN_LINE and not _are_of_a_language(found)}
    inside = sum(len(letters[number]) for number in odd)
    if inside < max(_MIN_LETTERS, _MIN_PART * sum(map(len, letters))):
        odd = set()
    return odd | {number for number, (font, _) in enumerate(lines) if font in wrong}


def agreement(text: str, other: str) -> float:
    """Return the share of words of `text` that `other` has too, 0 to 1. 1.0 for a text without words."""
    words = _words(text)
    return (words & _words(other)).total() / words.total() if words else 1.0


def _letters(text: str) -> list[str]:
    return [letter for letter in unicodedata.normalize("NFD", text.lower()) if _is_latin(letter)]


def _are_of_a_language(letters: list[str]) -> bool:
    vowels = sum(letter in _VOWELS for letter in letters) / len(letters)
    common = sum(letter in _COMMON for letter in letters) / len(letters)
    return _MIN_VOWELS <= vowels <= _MAX_VOWELS and common >= _MIN_COMMON


def _is_mixed(word: str) -> bool:
    """Tell whether a word has letters of two scripts that do not mix, or letters that only dictionaries use."""
    # The name of a letter begins with its script.
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in word} - _MIXING
    return len(scripts) > 1 or _PHONETIC.search(word) is not None


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", text).lower()))


def _is_latin(letter: str) -> bool:
    return "a" <= letter <= "z" or letter in "æœøıßþðłđ" or "\u00c0" <= letter <= "\u024f"
