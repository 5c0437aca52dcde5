"""The encoder against botocore's own decoder."""

import json
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer

from cloud.stand_in import eventstream


def test_botocore_decodes_what_was_encoded() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.event("messageStop", {"stopReason": "caf\u00e9"}))
    [message] = list(buffer)
    headers: Any = message.headers
    assert headers[":event-type"] == "messageStop"
    assert headers[":message-type"] == "event"
    assert json.loads(message.payload) == {"stopReason": "caf\u00e9"}


def test_an_exception_names_its_kind() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.exception("throttlingException", {"message": "slow down"}))
    [message] = list(buffer)
    headers: Any = message.headers
    assert headers[":exception-type"] == "throttlingException"
    assert headers[":message-type"] == "exception"


def test_messages_are_found_however_the_bytes_are_cut() -> None:
    buffer = EventStreamBuffer()
    raw = b"".join(eventstream.event("contentBlockDelta", {"n": n}) for n in range(3))
    found = []
    for byte in raw:
        buffer.add_data(bytes([byte]))
        found += [json.loads(message.payload)["n"] for message in buffer]
    assert found == [0, 1, 2]


def test_a_spoiled_message_is_refused() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.spoiled(eventstream.event("messageStop", {})))
    with pytest.raises(ChecksumMismatch):
        list(buffer)
