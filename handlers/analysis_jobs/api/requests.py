"""The parts of a request that the API reads itself: the query of a list, and the body of an upload.

They are apart from `schemas.py`, which only the OpenAPI document needs: a cold start must not pay for it.
"""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from analysis_jobs.base.ids import first_id_at, is_id
from analysis_jobs.jobs.record import Listing
from analysis_jobs.jobs.request_errors import InvalidRequestError
from analysis_jobs.jobs.transitions import Status


class Upload(BaseModel):
    """The body of `POST /uploads`; `size` in bytes."""

    model_config = ConfigDict(extra="forbid")

    filename: str = Field(min_length=1, max_length=255)
    content_type: str = Field(pattern=r"^[a-z]+/[A-Za-z0-9.+-]+$")
    size: int = Field(ge=1)


class ListQuery(BaseModel):
    """The query of `GET /jobs`; of status, client and subject at most one."""

    model_config = ConfigDict(extra="forbid")

    status: Status | None = None
    # A key of an index holds 2,048 bytes; longer ones than these were never submitted.
    client: str | None = Field(default=None, max_length=256)
    subject: str | None = Field(default=None, max_length=256)
    from_: datetime | None = Field(default=None, alias="from")
    to: datetime | None = None
    limit: int = Field(default=50, ge=1, le=100)
    cursor: str | None = None

    def listing(self, tenant: str) -> Listing:
        """Return what to ask the store for. Raises `InvalidRequestError` if the parts contradict each other."""
        filters = {"status": self.status, "client": self.client, "subject": self.subject}
        given = [name for name, value in filters.items() if value is not None]
        if len(given) > 1:
            raise InvalidRequestError.of_field(given[1], f"give one of {', '.join(filters)}, not {len(given)}")
        first, last = _id_at(self.from_), _id_at(self.to)
        if first and last and first > last:
            raise InvalidRequestError.of_field("from", "give a moment that is not after `to`")
        # DynamoDB refuses to begin a page outside the range.
        if self.cursor is not None and not (is_id(self.cursor) and (first or "") <= self.cursor <= (last or "~")):
            raise InvalidRequestError.of_field(
                "cursor", "give the `next_cursor` of the page before, with the same `from` and `to`"
            )
        return Listing(
            tenant, self.status, self.client, self.subject, first, last, limit=self.limit, before_id=self.cursor
        )


def _id_at(moment: datetime | None) -> str | None:
    """Return the first id of a moment, which is in UTC where it names no zone."""
    if moment is None:
        return None
    return first_id_at(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
