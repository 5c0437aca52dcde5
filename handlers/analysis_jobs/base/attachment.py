"""A file that goes to a model beside the prompt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attachment:
    """A picture or a document for a model: its bytes, its media type (`image/png`) and the name the model sees."""

    content: bytes
    media_type: str
    name: str
