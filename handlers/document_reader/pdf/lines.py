"""Lines of text on a page, with the place of each character."""

from dataclasses import dataclass, field

from document_reader.geometry import Box


@dataclass(slots=True)
class Character:
    """A character and its box. `bad`: the font has no usable Unicode value for it. `made`: PDFium inserted it.

    `font` identifies the font of the first character of a line. It is 0 for the others.
    """

    text: str
    box: Box
    bad: bool = False
    made: bool = False
    font: int = 0


@dataclass
class Line:
    """A line of text."""

    characters: list[Character] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text, without the hyphen of a word that went over two lines."""
        return _paired("".join(character.text for character in self.characters)).strip()

    @property
    def box(self) -> Box:
        """The box around all characters."""
        return Box.around(character.box for character in self.characters)

    @property
    def font(self) -> int:
        """Identifies the font at the beginning of the line. 0: unknown."""
        return next((character.font for character in self.characters if character.font), 0)

    @property
    def bad(self) -> int:
        """How many characters cannot be trusted."""
        return sum(character.bad for character in self.characters)

    def insert(self, text: str, box: Box) -> None:
        """Insert text at its place among the characters, with a space on each side."""
        x, _ = box.middle
        after = [number for number, character in enumerate(self.characters) if character.box.middle[0] < x]
        at = after[-1] + 1 if after else 0
        self.characters[at:at] = [Character(f" {text} ", box)]


def text_of(lines: list[Line]) -> str:
    """Return the lines as text, one on each line."""
    return "\n".join(text for line in lines if (text := line.text))


def _paired(text: str) -> str:
    """Join the halves of characters that need two units of UTF-16."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
