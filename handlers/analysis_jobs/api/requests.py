"""The query of a list. The body of an upload is in `submission/uploads.py`.

It is not in `schemas.py`, because only the OpenAPI document needs that module and its import slows a cold start.
"""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator

from analysis_jobs.base.ids import first_id_at, is_id
from analysis_jobs.jobs.record import Listing
from analysis_jobs.jobs.request_errors import InvalidRequestError
from analysis_jobs.jobs.subjects import normal_subject
from analysis_jobs.jobs.transitions import Status


class ListQuery(BaseModel):
    """The query of `GET /jobs`. At most one of status, client and subject may be given."""

    model_config = ConfigDict(extra="forbid")

    status: Status | None = None
    # DynamoDB limits a partition key to 2,048 bytes. Submissions limit these fields to shorter values.
    client: str | None = Field(default=None, max_length=256)
    subject: str | None = Field(default=None, max_length=256)
    from_: datetime | None = Field(default=None, alias="from")
    to: datetime | None = None
    limit: int = Field(default=50, ge=1, le=100)
    cursor: str | None = None

    @field_validator("subject", mode="before")
    @classmethod
    def _normalise_subject(cls, given: object) -> object:
        return normal_subject(given) if isinstance(given, str) else given

    def listing(self, tenant: str) -> Listing:
        """Return the listing for the store. Raises `InvalidRequestError` if the parameters contradict each other."""
        filters = {"status": self.status, "client": self.client, "subject": self.subject}
        given = [name for name, value in filters.items() if value is not None]
        if len(given) > 1:
            raise InvalidRequestError.of_field(given[1], f"give at most one of {', '.join(filters)}, not {len(given)}")
        first, last = _id_at(self.from_), _id_at(self.to)
        if first and last and first > last:
            raise InvalidRequestError.of_field("from", "give a time that is not after `to`")
        # DynamoDB rejects a cursor outside the range.
        if self.cursor is not None and not (is_id(self.cursor) and (first or "") <= self.cursor <= (last or "~")):
            raise InvalidRequestError.of_field(
                "cursor", "give the `next_cursor` of the previous page, with the same `from` and `to`"
            )
        return Listing(
            tenant, self.status, self.client, self.subject, first, last, limit=self.limit, before_id=self.cursor
        )


def _id_at(moment: datetime | None) -> str | None:
    """Return the smallest id for a time. A time without a zone is in UTC."""
    if moment is None:
        return None
    return first_id_at(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
