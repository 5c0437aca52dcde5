"""What goes to a model beside the prompt: pictures and documents, as bytes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attachment:
    """A picture or a document for a model: its bytes, its media type (`image/png`), and a name for the model to use."""

    content: bytes
    media_type: str
    name: str
