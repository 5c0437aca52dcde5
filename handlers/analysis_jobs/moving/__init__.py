"""Moves the queued and running work of another system into a stack, without losing any and without doing any twice.

`Move` takes the work from a `Source`: a DynamoDB table, an SQS queue or a PostgreSQL table. `DualRead` answers the
status of an old id from either side while both live.
"""

from analysis_jobs.moving.dual_read import DualRead
from analysis_jobs.moving.dynamo import DynamoSource
from analysis_jobs.moving.move import Move, MoveReport
from analysis_jobs.moving.postgres import PostgresSource
from analysis_jobs.moving.source import OldJob, Source, State, Work
from analysis_jobs.moving.sqs import SqsSource

__all__ = [
    "DualRead",
    "DynamoSource",
    "Move",
    "MoveReport",
    "OldJob",
    "PostgresSource",
    "Source",
    "SqsSource",
    "State",
    "Work",
]
