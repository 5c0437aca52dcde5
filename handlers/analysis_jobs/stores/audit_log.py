"""The audit trail in a log group of CloudWatch Logs."""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from analysis_jobs.base.clock import Clock, rfc3339, to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping


class AuditLogGroup:
    """See `analysis_jobs.base.audit.Sink`.

    Each line is one request. `writer` is what the name of the log stream begins with. Each process has a stream of its
    own, which it creates for its first line.
    """

    def __init__(self, client: Any, log_group: str, writer: str, clock: Clock) -> None:
        self._client = client
        self._log_group = log_group
        self._writer = writer
        self._clock = clock
        self._lock = Lock()
        self._stream = ""

    def write(self, line: Mapping[str, Any]) -> None:
        """See `Sink.write`. Raises the errors of AWS, and `ValueError` if CloudWatch Logs rejects the line."""
        now = self._clock.now()
        text = json.dumps({"timestamp": rfc3339(now), "level": "INFO", **line}, ensure_ascii=False, default=str)
        answer = self._client.put_log_events(
            logGroupName=self._log_group,
            logStreamName=self._opened(),
            logEvents=[{"timestamp": to_ms(now), "message": text}],
        )
        if rejected := answer.get("rejectedLogEventsInfo"):
            raise ValueError(f"{self._log_group} rejects the line: {', '.join(rejected)}")

    def _opened(self) -> str:
        """Return the name of the log stream. It is created first if that has not been done."""
        with self._lock:
            if not self._stream:
                name = f"{self._writer}/{self._clock.now():%Y/%m/%d}/{uuid4().hex}"
                self._client.create_log_stream(logGroupName=self._log_group, logStreamName=name)
                self._stream = name
            return self._stream
