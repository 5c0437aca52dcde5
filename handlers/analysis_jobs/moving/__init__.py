"""Moves open work of an older system into a deployment. Callers of the older system lose no job.

`move` submits each open item once and marks it in the older system. `status_of` reads an old id on the side that has
the work now. An adapter for each kind of infrastructure is a `Source`.
"""

from analysis_jobs.moving.dynamodb import DynamoTable
from analysis_jobs.moving.items import Claim, Item, NewJob, Phase, Problem, Rows, Source, States
from analysis_jobs.moving.listed import Listed
from analysis_jobs.moving.move import Report, move
from analysis_jobs.moving.postgresql import PostgresTable
from analysis_jobs.moving.sqs import SqsQueue
from analysis_jobs.moving.status import Status, status_of

__all__ = [
    "Claim",
    "DynamoTable",
    "Item",
    "Listed",
    "NewJob",
    "Phase",
    "PostgresTable",
    "Problem",
    "Report",
    "Rows",
    "Source",
    "SqsQueue",
    "States",
    "Status",
    "move",
    "status_of",
]
