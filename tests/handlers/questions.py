"""Questions to a model, with and without a schema, and an answer that fits the schema."""

from dataclasses import replace

from pydantic import BaseModel, Field

from analysis_jobs.llm.model import Question, Tool

FREE = Question("some.model", "What is it? " * 10, 100)


class Brief(BaseModel):
    title: str
    pages: int = Field(ge=1)
    tags: list[str] = []


STRUCTURED = replace(FREE, tool=Tool("Brief", "A brief.", Brief.model_json_schema()))
GOOD = '{"title": "Dune", "pages": 412}'
