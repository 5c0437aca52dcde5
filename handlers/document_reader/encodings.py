"""Decodes text in an unknown encoding, or refuses it. docs/decisions/0016-document-libraries.md has the measurements.

There is no last resort: an encoding such as Latin-1 decodes any bytes, so it would turn text in another encoding into
nonsense without an error.
"""

import codecs
import re
import unicodedata
from dataclasses import dataclass

from document_reader.task import UnreadableError

# UTF-32 first: its mark begins with the mark of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The sequences with which ISO-2022-JP changes to Japanese. All its bytes are ASCII.
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]|\x1b\$\([DOPQ]")
# Encodings that chardet chooses from. The code pages of DOS and Mac OS are rare. Without them, their texts would be
# taken for Windows-1252.
_CANDIDATES = (
    *("cp932", "shift_jis_2004", "euc_jis_2004", "gb18030", "big5hkscs", "cp949", "euc_kr"),
    *(f"cp{number}" for number in range(1250, 1259)),
    *("iso8859-1", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "iso8859-15"),
    *("koi8-r", "koi8-u", "cp850", "cp852", "cp866", "cp874", "tis-620", "mac-roman"),
)
# Browsers' names of encodings -> Python's codec that also decodes the characters that vendors have added.
_SUPERSETS = {
    "shift_jis": "cp932",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "euc-kr": "cp949",
    "euc_kr": "cp949",
    "iso-8859-1": "cp1252",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac_cyrillic",
    "iso-8859-8-i": "iso8859-8",
}
# So much of the text is given to the detectors, from the lines that are not ASCII.
_SAMPLE_BYTES = 100_000
# chardet is nearly always right from this confidence on. Below it, both detectors must agree.
_SURE = 0.2
# Below this confidence chardet knows nothing, and chardetng alone counts if it says Windows-1252.
_CLUELESS = 0.05
# With fewer bytes outside ASCII, also two detectors may agree on a wrong encoding.
_FEW_BYTES = 24
# The detectors agree if chardet rates the other one's text so high, as a share of its own best.
_AGREEING = 0.95
# Text with more than this share of misplaced characters was decoded wrongly.
_MISPLACED = 0.1
# Quotes, dashes, currencies, fractions and other marks that people type in English, in the bytes of Windows-1252.
_TYPOGRAPHIC = frozenset(
    bytes.fromhex("80828485 8b919293 94959697 999ba0a2 a3a5a7a9 abadaeb0 b1b2b3b6 b7bbbcbd bed7f7").decode("cp1252")
)
# Of them, those that also stand within a word: apostrophes, dashes, the middle dot and the soft hyphen.
_WITHIN_WORDS = frozenset(bytes.fromhex("91929697 adb4b7").decode("cp1252"))
_FIRST_OF_EAST_ASIA = "\u2e80"
_WIDE = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f\ufffe\uffff\ue000-\uf8ff]")

# Confidences. Below 0.8 a person should look at the page.
_EXACT = 1.0
_DETECTED = 0.9
_DAMAGED = 0.75
_LIKELY = 0.7
_DOUBTFUL = 0.5


@dataclass(frozen=True)
class Decoded:
    """A text, the name of its encoding, and the confidence in it, 0 to 1. U+FFFD stands for each damaged character."""

    text: str
    encoding: str
    confidence: float

    def confidence_of(self, page: str) -> float:
        """Return the confidence in a part of the text. It is lower if the part has damaged characters."""
        damaged = page.count("\ufffd")
        return min(self.confidence, _DAMAGED * (1 - damaged / len(page))) if damaged else self.confidence


def decode(content: bytes, declared: str | None = None) -> Decoded:
    """Return the text of `content`. `declared` is the encoding that the file itself names, as XML and HTML can.

    Raises `UnreadableError`: `document_encoding_unknown`, or `document_corrupt` if the bytes do not fit the mark at
    their beginning.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _marked(content[len(mark) :], encoding)
    found = _as_declared(content, declared) or _unicode(content) or _legacy(content) or _mostly_ascii(content)
    if found is None:
        raise UnreadableError("document_encoding_unknown", "is text in an encoding that is not recognised: use UTF-8")
    return found


def wide_encoding(content: bytes) -> str | None:
    """Return the encoding of a text in UTF-16 or UTF-32 without a mark; None if it is anything else."""
    if b"\0" not in content:
        return None
    first = "le" if content[1::2].count(0) >= content[::2].count(0) else "be"
    for encoding in ("utf-32-le", "utf-32-be", f"utf-16-{first}"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _WIDE.search(text):
            return encoding
    return None


def _marked(content: bytes, encoding: str) -> Decoded:
    text = content.decode(encoding, "replace")
    damaged = text.count("\ufffd")
    if damaged * 4 > len(text):
        raise UnreadableError("document_corrupt", f"is marked as {encoding}, but is not")
    return Decoded(text, encoding, _EXACT)


def _as_declared(content: bytes, declared: str | None) -> Decoded | None:
    """Decode as declared. A wrong declaration is common: it does not count for bytes that are UTF-8 or do not fit."""
    if not declared or (not content.isascii() and _decoded(content, "utf-8") is not None):
        return None
    try:
        codec = _codec(declared)
    except LookupError:
        return None
    # A declaration that can be read byte by byte is not in UTF-16 or UTF-32.
    text = None if codec.startswith(("utf-16", "utf-32")) else _decoded(content, codec)
    return None if text is None else Decoded(text, codec, _EXACT)


def _unicode(content: bytes) -> Decoded | None:
    if wide := wide_encoding(content):
        return Decoded(content.decode(wide), wide, _EXACT)
    if _ISO_2022_JP.search(content):
        try:
            return Decoded(content.decode("iso2022_jp_ext"), "iso2022_jp", _EXACT)
        except UnicodeDecodeError:
            pass
    text, damaged, intact = _as_utf8(content)
    # Bytes of another encoding hardly ever form sequences of UTF-8: two for each damaged one are proof.
    return Decoded(text, "utf-8", _EXACT) if intact >= 2 * damaged else None


def _as_utf8(content: bytes) -> tuple[str, int, int]:
    """Return the text as UTF-8, with the numbers of damaged and of intact characters outside ASCII."""
    text = content.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    return text, damaged, sum(character > "\x7f" for character in text) - damaged if damaged else 0


def _legacy(content: bytes) -> Decoded | None:
    sample = _sample(content)
    if _is_typographic(sample):
        return _whole(content, "cp1252", _DETECTED)
    choice = _detected(sample)
    return _whole(content, *choice) if choice else None


def _sample(content: bytes) -> bytes:
    """Return the lines that are not ASCII: only they tell encodings apart. No encoding here has newlines in letters."""
    lines, size = [], 0
    for line in re.split(rb"[\r\n]+", content):
        if not line.isascii():
            lines.append(line[: _SAMPLE_BYTES - size])
            size += len(lines[-1])
            if size >= _SAMPLE_BYTES:
                break
    return b"\n".join(lines)


def _whole(content: bytes, encoding: str, confidence: float) -> Decoded | None:
    text = content.decode(encoding, "replace")
    # The sample decodes without an error. A few damaged characters may follow it.
    return Decoded(text, encoding, confidence) if text.count("\ufffd") * 100 <= len(text) else None


def _detected(sample: bytes) -> tuple[str, float] | None:
    """Return the encoding on which both detectors agree, or which chardet is sure of, with a confidence."""
    import chardet  # noqa: PLC0415 - most texts are UTF-8
    import chardetng_py  # noqa: PLC0415 - as above

    rated = chardet.detect_all(sample, ignore_threshold=True, compat_names=False, include_encodings=_CANDIDATES)
    ratings = [(_codec(each["encoding"]), each["confidence"]) for each in rated if each["encoding"]]
    detector = chardetng_py.EncodingDetector()
    detector.feed(sample, last=True)
    other = _codec(detector.guess(tld=None, allow_utf8=False))
    text = _decoded(sample, other)
    best, rating = ratings[0] if ratings else ("ascii", 0.0)
    agreed = max((value for codec, value in ratings if _decoded(sample, codec) == text), default=0.0)
    if text is not None and agreed >= _AGREEING * rating:
        choice = other, _DETECTED if rating >= _SURE and _others(sample) >= _FEW_BYTES else _LIKELY
    elif rating >= _SURE:
        choice = best, _DETECTED if _others(sample) >= _FEW_BYTES else _LIKELY
    elif other == "cp1252" and rating < _CLUELESS and _others(sample) * 2 <= len(sample):
        choice = other, _DOUBTFUL
    else:
        return None
    found = _decoded(sample, choice[0])
    return None if found is None or _misplaced_share(found) > _MISPLACED else choice


def _mostly_ascii(content: bytes) -> Decoded | None:
    """Read a text of which a few bytes cannot be understood."""
    text, damaged, intact = _as_utf8(content)
    return Decoded(text, "utf-8", _DOUBTFUL) if intact >= damaged or damaged * 50 <= len(text) else None


def _is_typographic(sample: bytes) -> bool:
    """Tell whether a text is ASCII except for some typographic marks in Windows-1252."""
    text = _decoded(sample, "cp1252")
    if text is None or _others(sample) * 2 > len(sample):
        return False
    return {character for character in text if character > "\x7f"} <= _TYPOGRAPHIC and _misplaced_share(text) == 0


def _others(sample: bytes) -> int:
    """Return the number of bytes outside ASCII."""
    return sum(byte > 0x7F for byte in sample)  # noqa: PLR2004 - the last byte of ASCII


def _misplaced_share(text: str) -> float:
    """Return the share of letters outside ASCII that are misplaced: capitals and symbols within a word of small ones.

    Text in the wrong encoding looks so: "Gr÷ße", "Ž" for "é". Chinese, Japanese and Korean letters have no place.
    """
    others = misplaced = 0
    for before, character, after in zip(f" {text}", text, f"{text[1:]} ", strict=False):
        if character <= "\x7f":
            continue
        others += 1
        if character >= _FIRST_OF_EAST_ASIA:
            continue
        if character.isalpha():
            misplaced += character.isupper() and before.islower()
        elif unicodedata.category(character) == "Cc":
            misplaced += 1
        elif unicodedata.category(character)[0] != "M":
            misplaced += before.isalpha() and after.isalpha() and character not in _WITHIN_WORDS
    return misplaced / others if others else 0.0


def _decoded(sample: bytes, codec: str) -> str | None:
    try:
        return sample.decode(codec)
    except (LookupError, ValueError):
        return None


def _codec(name: str) -> str:
    """Return Python's name of an encoding. Raises `LookupError` for an unknown one, and one that is not for text."""
    name = name.strip().lower()
    codec = codecs.lookup(_SUPERSETS.get(name, name)).name
    " ".encode(codec)  # refuses codecs such as base64, which are not for text
    return _SUPERSETS.get(codec, codec)
