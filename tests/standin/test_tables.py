"""A table in the text answers a list whose fields are its columns, row by row and cell by cell."""

import datetime as dt
from enum import StrEnum

from pydantic import BaseModel

from cloud.stand_in.filling import fill
from cloud.stand_in.tables import rows_about

PLAN = """Harbour Point, Level 1
D-101
CAM-01
DEVICE LIST
Tag     | Device            | Location           | Height mm | Installed
--------|-------------------|--------------------|-----------|----------
D-101   | Card reader: PIN  | Reception, door 2  | 1100      | 2026-03-09
CAM-01  | Dome camera 5 MP  | Corridor           |           |
Notes: a device | is no table
Revision: C
"""


class Kind(StrEnum):
    CAMERA = "camera"
    READER = "reader"


class Device(BaseModel):
    tag: str
    device: str
    location: str | None = None
    height_mm: int | None = None
    installed: dt.date | None = None
    panel: str | None = None


class Schedule(BaseModel):
    revision: str | None = None
    devices: list[Device] = []


def test_a_list_of_objects_is_read_from_a_table_with_their_fields_as_columns() -> None:
    found = Schedule.model_validate(fill(Schedule.model_json_schema(), PLAN))
    assert found == Schedule(
        revision="C",
        devices=[
            Device(
                tag="D-101",
                device="Card reader: PIN",
                location="Reception, door 2",
                height_mm=1100,
                installed=dt.date(2026, 3, 9),
            ),
            Device(tag="CAM-01", device="Dome camera 5 MP", location="Corridor"),
        ],
    )


def test_a_required_field_without_a_column_is_said_to_be_missing() -> None:
    class Wired(Device):
        conductor: str

    class Wiring(BaseModel):
        devices: list[Wired]

    found = Wiring.model_validate(fill(Wiring.model_json_schema(), PLAN))
    assert {each.conductor for each in found.devices} == {"not stated in the document"}


def test_a_table_about_something_else_is_left_alone() -> None:
    assert rows_about(PLAN, ["name", "date", "score", "grade", "teacher"]) == []
    assert rows_about("a | b\n1 | 2", ["a", "b"]) == []
    assert rows_about("", ["tag"]) == []


def test_tables_of_one_kind_on_several_pages_are_one_list() -> None:
    page = "Tag | Device | Location\n{0} | Reader | Hall\n"
    assert [
        row["tag"] for row in rows_about(page.format("A-1") + "\f" + page.format("A-2"), ["tag", "device", "location"])
    ] == [
        "A-1",
        "A-2",
    ]
