"""Encoder of `application/vnd.amazon.eventstream`, the framing of Bedrock's streamed answers.

A message: total length (4), header length (4), CRC-32 of those 8 bytes (4), headers, payload, CRC-32 of all this (4).
A header: name length (1), name, value type 7 = string (1), value length (2), value. Big-endian throughout.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
"""

import json
import struct
import zlib
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = b"\x07"


def encode(headers: Mapping[str, str], payload: bytes = b"") -> bytes:
    """Return one framed message."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return message + struct.pack(">I", zlib.crc32(message))


def event(kind: str, body: Mapping[str, object]) -> bytes:
    """Return an event such as `contentBlockDelta`."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode(headers, json.dumps(body).encode())


def exception(kind: str, body: Mapping[str, object]) -> bytes:
    """Return an error inside the stream; `kind` is the member's name, `throttlingException`."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encode(headers, json.dumps(body).encode())


def with_bad_checksum(message: bytes) -> bytes:
    """Return the message with a wrong checksum."""
    return message[:-1] + bytes([message[-1] ^ 1])


def _header(name: str, value: str) -> bytes:
    raw = value.encode()
    return bytes([len(name)]) + name.encode() + _STRING + struct.pack(">H", len(raw)) + raw
