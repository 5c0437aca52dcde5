"""The models' answers about a drawing. Their schemas, with all descriptions and docstrings, are sent to the models."""

from pydantic import BaseModel, Field


class Context(BaseModel):
    """What a project's own document asks of its devices."""

    site: str | None = Field(default=None, description="The site, in one sentence.")
    requirements: list[str] = Field(default=[], description="The requirements that devices must meet.")
    naming: str | None = Field(default=None, description="How tags are named.")


class Device(BaseModel):
    """One device; its titles are the header of the workbook."""

    tag: str = Field(title="Tag", description="The device's tag on the drawing, as D-101.")
    device: str = Field(title="Device", description="What kind of device it is.")
    location: str | None = Field(default=None, title="Location", description="The room or door that it is at.")
    height_mm: int | None = Field(default=None, title="Height (mm)", description="Mounting height in millimetres.")
    cable: str | None = Field(default=None, title="Cable", description="The cable to it.")
    panel: str | None = Field(default=None, title="Panel", description="The panel or recorder that it is wired to.")


class Schedule(BaseModel):
    """Every device on a drawing."""

    drawing_title: str | None = Field(default=None, description="The drawing's title.")
    drawing_number: str | None = Field(default=None, description="The drawing's number.")
    revision: str | None = Field(default=None, description="The drawing's revision.")
    devices: list[Device] = Field(default=[], description="Every device, listed or on the plan, once.")


class Evaluation(BaseModel):
    """What a second model thinks of a schedule."""

    score: int = Field(ge=0, le=100, description="How complete and right the schedule is, 0 to 100.")
    findings: list[str] = Field(default=[], description="The findings: each thing that is missing or wrong.")
