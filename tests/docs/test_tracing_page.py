"""The page about traces: its analysis runs, and its attributes are those of the spans."""

import re

from analysis_jobs import Analysis
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.testing import Jobs
from tests.docs.pages import executed, text_of
from tests.handlers.api.site import opened
from tests.handlers.builders import START, says
from tests.handlers.traces import APPRAISAL, attributes, collected, submit, work

PAGE = "docs/tracing.md"
_NAME = re.compile(r"`((?:analysis_jobs|error|faas|gen_ai|http|messaging|server|url)\.[a-z_.]+)`")


def test_the_analysis_of_the_page_runs(jobs: Jobs) -> None:
    [analysis] = [value for value in executed(PAGE).values() if isinstance(value, Analysis)]
    assert jobs.run(analysis, {"policy": "P-7"}).result.holder == "the holder of P-7"


def test_the_page_names_the_attributes_of_the_spans() -> None:
    with opened(MemoryJobStore(), ManualClock(START), APPRAISAL) as site, collected() as spans:
        submit()
        work(site, says("12 pounds"))
    found = {name for span in spans.all for name in attributes(span)}
    sometimes = {"analysis_jobs.usage_estimated", "error.type", "gen_ai.response.model"}
    assert set(_NAME.findall(text_of(PAGE))) == found | sometimes
