"""Accepts the upload of a document."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from analysis_jobs.base.ids import new_id
from analysis_jobs.documents import safe_filename
from analysis_jobs.jobs.request_errors import InvalidRequestError


class Upload(BaseModel):
    """The body of `POST /uploads`. `size` is in bytes."""

    model_config = ConfigDict(extra="forbid")

    filename: str = Field(min_length=1, max_length=255)
    content_type: str = Field(pattern=r"^[a-z]+/[A-Za-z0-9.+-]+$")
    size: int = Field(ge=1)

    def document(self, now: datetime, max_bytes: int) -> str:
        """Return a new document's name. Raises `InvalidRequestError` if the file is too large."""
        if self.size > max_bytes:
            raise InvalidRequestError.of_field(
                "size", f"the file has {self.size} bytes; give a file of at most {max_bytes} bytes"
            )
        return f"{new_id(now)}/{safe_filename(self.filename)}"
