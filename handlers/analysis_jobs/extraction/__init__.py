"""Checks extracted fields: rules for single fields, dates in usual notations, and agreement between two readers."""

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
