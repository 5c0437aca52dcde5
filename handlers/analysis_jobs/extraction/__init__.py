"""Rules for the fields that an analysis extracts, dates as people write them, and the agreement of two readings."""

from analysis_jobs.extraction.agreement import Agreed, agreed
from analysis_jobs.extraction.dates import as_date
from analysis_jobs.extraction.validation import Checked, Finding, IsDate, IsNumber, IsText, Required, Rule, review

__all__ = [
    "Agreed",
    "Checked",
    "Finding",
    "IsDate",
    "IsNumber",
    "IsText",
    "Required",
    "Rule",
    "agreed",
    "as_date",
    "review",
]
