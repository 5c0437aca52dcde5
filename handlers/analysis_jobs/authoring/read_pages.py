"""The pages of documents that OCR has read, each kept as a checkpoint.

OCR takes seconds for a page, so a long scan does not fit into one invocation. The next attempt reads only the pages
that are not here. Pages with their own text are not kept: reading them again takes milliseconds.
"""

import hashlib
from collections.abc import Iterator

from analysis_jobs.authoring.checkpoints import Checkpoints
from analysis_jobs.authoring.context import AttemptContext
from analysis_jobs.authoring.outputs import MISSING
from analysis_jobs.documents import Page


class ReadPages:
    """The pages of one document that were read in the running stage.

    They are valid for the same content of the document. If a stage reads so many documents that the row has no room for
    another entry, nothing is kept.
    """

    def __init__(self, context: AttemptContext, document: str, content: bytes) -> None:
        self._context = context
        digest = hashlib.sha256(document.encode() + b"\0" + content).hexdigest()[:16]
        # `job.checkpoint` does not accept an asterisk, so its names cannot collide with this one.
        self._name = f"{context.stage.name}/*read.{digest}"

    def saved(self) -> Iterator[Page]:
        """Yield the pages that an earlier attempt saved, or an earlier call in this one. Raises `Stopped`."""
        survives = self._context.stage.survives_deploys
        for number in self._checkpoints.item_numbers(self._name, survives_deploys=survives):
            self._context.check()
            value = self._checkpoints.load_item(self._name, number, None, survives_deploys=survives)
            if value is not MISSING:
                yield Page(number, value["text"], "ocr", value["confidence"])

    def save(self, page: Page) -> None:
        """Save a page if OCR read it. Raises `Stopped` if the lease is lost."""
        if page.source == "ocr" and self._checkpoints.has_room_for(self._name):
            survives = self._context.stage.survives_deploys
            value = {"text": page.text, "confidence": page.confidence}
            self._checkpoints.save_item(self._name, page.number, None, value, survives_deploys=survives)

    @property
    def _checkpoints(self) -> Checkpoints:
        return self._context.checkpoints
