"""A file that is sent to a model with the prompt."""

from analysis_jobs.base.values import dataclass


@dataclass(frozen=True)
class Attachment:
    """An image or a document for a model. `media_type` is for example `image/png`. The model sees `name`."""

    content: bytes
    media_type: str
    name: str
