"""Boxes on a page as it is displayed: in points, from the top left corner, after the page's /Rotate."""

from collections.abc import Iterable
from dataclasses import dataclass

# A page is divided into this many rows and columns to measure which part of it is covered.
CELLS = 48
EVERYTHING = (1 << CELLS * CELLS) - 1


@dataclass(slots=True)
class Box:
    """A rectangle. `top` is smaller than `bottom`."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, boxes: Iterable["Box"]) -> "Box":
        """Return the smallest box that contains all `boxes`. At least one is needed."""
        every = list(boxes)
        return cls(
            min(box.left for box in every),
            min(box.top for box in every),
            max(box.right for box in every),
            max(box.bottom for box in every),
        )

    @property
    def middle(self) -> tuple[float, float]:
        """The centre."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def contains(self, x: float, y: float) -> bool:
        """Tell whether the point is inside."""
        return self.left <= x <= self.right and self.top <= y <= self.bottom


@dataclass(frozen=True)
class View:
    """How a page is displayed: its visible rectangle in PDF coordinates, and its clockwise rotation in degrees."""

    left: float
    bottom: float
    right: float
    top: float
    rotation: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as displayed, in points."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.rotation in {90, 270} else (width, height)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return the displayed position of a point in PDF coordinates."""
        match self.rotation:
            case 90:
                return y - self.bottom, x - self.left
            case 180:
                return self.right - x, y - self.bottom
            case 270:
                return self.top - y, self.right - x
        return x - self.left, self.top - y

    def box(self, left: float, bottom: float, right: float, top: float) -> Box:
        """Return the displayed box of a rectangle in PDF coordinates."""
        (x1, y1), (x2, y2) = self.point(left, bottom), self.point(right, top)
        return Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))

    def cells(self, boxes: Iterable[Box]) -> int:
        """Return the cells of the page (a bit each) with their centre in one of the boxes."""
        width, height = self.size
        covered = 0
        for box in boxes:
            first, end = _range(box.left, box.right, width)
            top, bottom = _range(box.top, box.bottom, height)
            if first < end:
                row = ((1 << (end - first)) - 1) << first
                for number in range(top, bottom):
                    covered |= row << number * CELLS
        return covered


def share(cells: int) -> float:
    """Return the share of the page that these cells are, 0 to 1."""
    return cells.bit_count() / (CELLS * CELLS)


def _range(start: float, end: float, size: float) -> tuple[int, int]:
    """Return the first cell and the cell after the last one with centres between `start` and `end`."""
    scale = CELLS / max(size, 1e-6)
    first = min(max(start * scale + 0.5, 0), CELLS)
    last = min(max(end * scale + 0.5, 0), CELLS)
    return int(first), int(last)
