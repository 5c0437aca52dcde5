"""The versions of a job's documents, as its submission recorded them. See `submission.pins`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property

from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.payloads import load_json
from analysis_jobs.jobs.ports import ArtifactStore
from analysis_jobs.jobs.record import Payload

# S3 gives times in seconds, by a clock of its own.
_CLOCK_TOLERANCE = timedelta(seconds=2)


@dataclass
class PinnedVersions:
    """Tells which version of a document a job must read. `payload` is `JobRecord.documents`."""

    artifacts: ArtifactStore
    payload: Payload | None
    submitted_at: datetime

    def version_of(self, document: str) -> str | datetime | None:
        """Return the version for `ArtifactStore.read`. None for a document that the input does not name.

        If the submission found no version, the document must be older than the job. The submitter may have had no
        permission to see it.
        """
        version = self._versions.get(document, "")
        return self.submitted_at + _CLOCK_TOLERANCE if version is None else version or None

    @cached_property
    def _versions(self) -> Mapping[str, str | None]:
        return load_json(self.artifacts, self.payload) if self.payload else {}
