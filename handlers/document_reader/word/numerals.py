"""Writes numbers in the formats of Word's lists and notes (ECMA-376, part 1, 17.18.59 ST_NumberFormat)."""

from collections.abc import Callable

_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"),
    (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_ENGLISH = "abcdefghijklmnopqrstuvwxyz"
# Letters that Word counts with, in its order. After the last one, each letter is repeated: aa, bb, cc.
_LETTERS = {
    "lowerLetter": _ENGLISH,
    "upperLetter": _ENGLISH.upper(),
    "russianLower": "абвгдежзиклмнопрстуфхцчшщыэюя",
    "russianUpper": "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЭЮЯ",
    "chicago": "*†‡§",
    "ganada": "가나다라마바사아자차카타파하",
    "chosung": "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ",
    "aiueo": "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン",
    "iroha": "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセスン",
    "arabicAlpha": "أبتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "arabicAbjad": "أبجدهوزحطيكلمنسعفصقرشتثخذضظغ",
    "hebrew2": "אבגדהוזחטיכלמנסעפצקרשת",
    "ideographTraditional": "甲乙丙丁戊己庚辛壬癸",
    "ideographZodiac": "子丑寅卯辰巳午未申酉戌亥",
}
# The first character of 1, 2, 3 … and how many there are. Above that, Word writes plain digits.
_CIRCLED = {
    "decimalEnclosedCircle": ("①", 20),
    "decimalEnclosedCircleChinese": ("①", 20),
    "decimalEnclosedFullstop": ("⒈", 20),
    "decimalEnclosedParen": ("⑴", 20),
    "ideographEnclosedCircle": ("㊀", 10),
}
_DIGITS = {
    "decimalFullWidth": "０１２３４５６７８９",  # noqa: RUF001 - full-width digits are meant
    "decimalFullWidth2": "０１２３４５６７８９",  # noqa: RUF001 - as above
    "hindiNumbers": "०१२३४५६७८९",
    "thaiNumbers": "๐๑๒๓๔๕๖๗๘๙",
    "japaneseDigitalTenThousand": "〇一二三四五六七八九",
    "taiwaneseDigital": "○一二三四五六七八九",
    "ideographDigital": "〇一二三四五六七八九",
    "koreanDigital": "영일이삼사오육칠팔구",
}
_COUNTED = ("chineseCounting", "chineseCountingThousand", "japaneseCounting", "taiwaneseCounting",
            "taiwaneseCountingThousand")  # fmt: skip
_MAX_COUNTED = 9_999
_MAX_WORDS = 999_999
# Longer repetitions of a letter are not written: such a number is a mistake, or malicious.
_MAX_REPEATED = 50


def numeral(number: int, style: str) -> str:
    """Return a number in a format, such as `lowerRoman`. Formats that are unknown here give plain digits."""
    if style in {"none", "bullet"}:
        return ""
    if number < 1:
        return str(number)
    if letters := _LETTERS.get(style):
        times, index = divmod(number - 1, len(letters))
        return letters[index] * min(times + 1, _MAX_REPEATED)
    if style in _CIRCLED:
        first, count = _CIRCLED[style]
        return chr(ord(first) + number - 1) if number <= count else str(number)
    if digits := _DIGITS.get(style):
        return "".join(digits[int(digit)] for digit in str(number))
    if style in _COUNTED:
        return _chinese(number)
    if style.startswith("zeros"):  # Word's own formats 01, 001, 0001 …
        return str(number).zfill(min(int(style.removeprefix("zeros") or 0), _MAX_REPEATED))
    return _PLAIN.get(style, str)(number)


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        written += letters * min(count, _MAX_REPEATED)
    return written


def _ordinal(number: int) -> str:
    teens = number % 100 in {11, 12, 13}
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _words(number: int) -> str:
    if number > _MAX_WORDS:
        return str(number)
    if number >= 1000:  # noqa: PLR2004 - a thousand
        rest = f" {_words(number % 1000)}" if number % 1000 else ""
        return f"{_words(number // 1000)} thousand{rest}"
    if number >= 100:  # noqa: PLR2004 - a hundred
        rest = f" {_words(number % 100)}" if number % 100 else ""
        return f"{_ONES[number // 100]} hundred{rest}"
    if number < len(_ONES):
        return _ONES[number]
    return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")


def _ordinal_words(number: int) -> str:
    head, mark, last = "", "", _words(number)
    for separator in (" ", "-"):
        if separator in last:
            before, _, last = last.rpartition(separator)
            head, mark = f"{head}{mark}{before}", separator
    ordinal = _ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return f"{head}{mark}{ordinal}"


def _chinese(number: int) -> str:
    """Return 1 to 9,999 in Chinese: 一, 十, 十一, 二十, 一百零五."""
    if number > _MAX_COUNTED:
        return str(number)
    written, gap = "", False
    for place, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // place % 10
        if digit:
            one_ten = digit == 1 and place == 10 and not written  # noqa: PLR2004 - 十一, not 一十一
            written += ("零" if gap else "") + ("" if one_ten else "一二三四五六七八九"[digit - 1]) + unit
            gap = False
        else:
            gap = bool(written)
    return written


_PLAIN: dict[str, Callable[[int], str]] = {
    "lowerRoman": _roman,
    "upperRoman": lambda number: _roman(number).upper(),
    "decimalZero": lambda number: f"{number:02d}",
    "ordinal": _ordinal,
    "cardinalText": lambda number: _words(number).capitalize(),
    "ordinalText": lambda number: _ordinal_words(number).capitalize(),
    "hex": lambda number: f"{number:X}",
    "numberInDash": lambda number: f"- {number} -",
}
