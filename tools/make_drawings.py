"""Makes example drawings (A3 PDFs): a floor plan with devices, a legend and a device list.

    python tools/make_drawings.py examples/drawing-schedule/documents

Every `*.toml` file becomes a `.pdf`, and every `*.md` file a `.docx`. They are committed. A test makes them again and
compares.
"""

import io
import math
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from docx import Document
from fpdf import FPDF

_MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_WIDTH, _HEIGHT, _MARGIN = 420, 297, 10
_LIST_X, _LIST_Y = 18, 185
_SIDE_X = 285
COLUMNS = ("Tag", "Device", "Location", "Height mm", "Cable", "Panel")
_SYMBOLS = {
    "D": "Reader",
    "AC": "Reader",
    "CAM": "Camera, with field of view",
    "PIR": "Motion detector",
    "ML": "Magnetic lock",
    "REX": "Request to exit",
    "DC": "Door contact",
    "PA": "Panic button",
}

type Plan = Mapping[str, Any]


class _Sheet(FPDF):
    """An A3 sheet in landscape, without automatic page breaks."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(orientation="landscape", format="A3")
        self.set_auto_page_break(auto=False)
        self.set_creation_date(_MADE_AT)
        self.set_title(f"{plan['number']} {plan['title']}")
        self.add_page()

    def write_at(  # noqa: PLR0913 - position, text and style
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 8,
        style: Literal["", "B", "I"] = "",
        family: str = "helvetica",
    ) -> None:
        self.set_font(family, style=style, size=size)
        self.text(x, y, text)


def make_drawing(plan: Plan) -> bytes:
    """Return the PDF of a plan."""
    sheet = _Sheet(plan)
    sheet.set_line_width(0.7)
    sheet.rect(_MARGIN, _MARGIN, _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN)
    _draw_plan(sheet, plan)
    _draw_devices(sheet, plan)
    _draw_list(sheet, plan)
    _draw_side(sheet, plan)
    return bytes(sheet.output())


def _draw_plan(sheet: _Sheet, plan: Plan) -> None:
    sheet.write_at(_MARGIN + 6, _MARGIN + 9, f"{plan['title']}, {plan['sheet']}", size=13, style="B")
    sheet.set_line_width(0.9)
    for x1, y1, x2, y2 in plan["walls"]:
        sheet.line(x1, y1, x2, y2)
    for door in plan["doors"]:
        _draw_door(sheet, door["x"], door["y"], door["turned"])
    for room in plan["rooms"]:
        sheet.write_at(room["x"], room["y"], room["name"], size=8, style="I")


def _draw_door(sheet: _Sheet, x: float, y: float, turned: int) -> None:
    """Draw a door: an opening in a wall, the door leaf, and the arc of its swing."""
    with sheet.rotation(turned, x, y):
        sheet.set_draw_color(255)
        sheet.set_line_width(1.4)
        sheet.line(x - 4, y, x + 4, y)
        sheet.set_draw_color(0)
        sheet.set_line_width(0.3)
        sheet.line(x - 4, y, x - 4, y - 8)
        sheet.arc(x - 12, y - 8, 16, 270, 360)


def _draw_devices(sheet: _Sheet, plan: Plan) -> None:
    for device in plan["devices"]:
        _draw_symbol(sheet, device["tag"], device["x"], device["y"], device.get("facing", 0))
        sheet.set_font("helvetica", style="B", size=6)
        left = sheet.get_string_width(device["tag"]) + 3 if device.get("label") == "left" else -3
        sheet.write_at(device["x"] - left, device["y"] - 2.5, device["tag"], size=6, style="B")


def _draw_symbol(sheet: _Sheet, tag: str, x: float, y: float, facing: float) -> None:
    sheet.set_line_width(0.3)
    sheet.set_fill_color(214, 228, 245)
    match tag.partition("-")[0]:
        case "CAM":
            ends = [math.radians(facing + turn) for turn in (-25, 25)]
            cone = [(x, y), *((x + 14 * math.cos(end), y + 14 * math.sin(end)) for end in ends)]
            sheet.set_draw_color(120, 150, 190)
            sheet.polygon(cone, style="D")
            sheet.set_draw_color(0)
            with sheet.rotation(-facing, x, y):
                sheet.polygon([(x - 3, y - 1.2), (x, y - 1.2), (x, y + 1.2), (x - 3, y + 1.2)], style="DF")
        case "PIR" | "PA":
            sheet.circle(x, y, 1.8, style="DF")
        case "ML" | "DC":
            sheet.rect(x - 2.5, y - 1, 5, 2, style="DF")
        case _:
            sheet.rect(x - 1.6, y - 1.6, 3.2, 3.2, style="DF")


def device_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return the rows of the drawing's device list. Each row has one text per column of `COLUMNS`."""
    return [
        tuple(str(device[name]) for name in ("tag", "device", "location", "height_mm", "cable", "panel"))
        for device in plan["devices"]
        if device.get("listed", True)
    ]


def _draw_list(sheet: _Sheet, plan: Plan) -> None:
    sheet.write_at(_LIST_X, _LIST_Y, "DEVICE LIST", size=9, style="B")
    rows = [COLUMNS, *device_rows(plan)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for number, row in enumerate(rows):
        line = " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        sheet.write_at(_LIST_X, _LIST_Y + 6 + 4.6 * number, line, style="" if number else "B", family="courier")


def _draw_side(sheet: _Sheet, plan: Plan) -> None:
    """Draw the right column: the legend, the notes and the title block."""
    sheet.set_line_width(0.5)
    sheet.line(_SIDE_X, _MARGIN, _SIDE_X, _HEIGHT - _MARGIN)
    sheet.write_at(_SIDE_X + 6, 24, "LEGEND", size=9, style="B")
    used = dict.fromkeys(device["tag"].split("-")[0] for device in plan["devices"])
    for number, prefix in enumerate(used):
        y = 32 + 8 * number
        _draw_symbol(sheet, prefix, _SIDE_X + 10, y, 0)
        sheet.write_at(_SIDE_X + 28, y + 1, f"{prefix}-  {_SYMBOLS[prefix]}", size=8)
    sheet.write_at(_SIDE_X + 6, 110, "NOTES", size=9, style="B")
    for number, note in enumerate(plan["notes"], start=1):
        sheet.write_at(_SIDE_X + 6, 112 + 6 * number, f"{number}. {note}", size=8)
    top = 232
    sheet.rect(_SIDE_X, top, _WIDTH - _MARGIN - _SIDE_X, _HEIGHT - _MARGIN - top)
    block = {
        "Project": plan["title"],
        "Client": plan["client"],
        "Drawing title": plan["sheet"],
        "Drawing number": plan["number"],
        "Revision": plan["revision"],
        "Drawing date": plan["date"],
        "Scale": f"{plan['scale']} at A3",
    }
    for number, (label, value) in enumerate(block.items()):
        sheet.write_at(_SIDE_X + 6, top + 8 + 6.5 * number, f"{label}: {value}", size=9)


def make_brief(text: str) -> bytes:
    """Return a text as a Word document. The first line is the title. `# ` begins a section, `- ` a list item."""
    document = Document()
    title, _, body = text.strip().partition("\n")
    document.add_heading(title, level=0)
    for line in filter(None, map(str.strip, body.splitlines())):
        if line.startswith("# "):
            document.add_heading(line[2:], level=1)
        elif line.startswith("- "):
            document.add_paragraph(line[2:], style="List Bullet")
        else:
            document.add_paragraph(line)
    content, undated = io.BytesIO(), io.BytesIO()
    document.save(content)
    with zipfile.ZipFile(content) as before, zipfile.ZipFile(undated, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            plain = zipfile.ZipInfo(entry.filename, _ZIP_DATE)
            plain.compress_type = zipfile.ZIP_DEFLATED
            after.writestr(plain, before.read(entry))
    return undated.getvalue()


def main(folder: Path) -> None:
    """Make all documents of a folder."""
    for source in sorted(folder.glob("*.toml")):
        target = source.with_suffix(".pdf")
        target.write_bytes(make_drawing(tomllib.loads(source.read_text(encoding="utf-8"))))
        print(target)
    for source in sorted(folder.glob("*.md")):
        target = source.with_suffix(".docx")
        target.write_bytes(make_brief(source.read_text(encoding="utf-8")))
        print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
