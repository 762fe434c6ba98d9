"""Frames between the host and the runner inside a slot.

A frame is a JSON object and any number of byte strings, with their lengths in front, over a stream socket. Nothing
that crosses this line is ever executed, unpickled or trusted to be short: sizes are checked before memory is taken.
This file is the only one that host and runner share, so it imports the standard library only.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

VERSION = 1
MAX_HEADER = 1 << 20
MAX_BODY = 1 << 29
_PREFIX = struct.Struct(">II")
_text = json.JSONEncoder(allow_nan=False).encode


class ProtocolError(Exception):
    """The other side sent something that is not a frame."""


class Frame(NamedTuple):
    """One message: a JSON object and its byte strings."""

    header: dict[str, Any]
    blobs: list[bytes]


def encode(header: dict[str, Any], *blobs: bytes) -> bytes:
    """The bytes of one frame. Raises ProtocolError if it is larger than the other side would take."""
    text = _text({**header, "blobs": [len(blob) for blob in blobs]}).encode()
    size = sum(map(len, blobs))
    if len(text) > MAX_HEADER or size > MAX_BODY:
        raise ProtocolError(f"a frame of {len(text)} + {size} bytes is too large")
    return b"".join((_PREFIX.pack(len(text), size), text, *blobs))


class Decoder:
    """Turns a byte stream, cut anywhere, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes held that are not yet a whole frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Frames that are complete now. Raises ProtocolError at the first malformed one; the stream is then useless."""
        self._buffer += data
        while len(self._buffer) >= _PREFIX.size:
            header_size, body_size = _PREFIX.unpack_from(self._buffer)
            if header_size > MAX_HEADER or body_size > MAX_BODY:
                raise ProtocolError(f"a frame of {header_size} + {body_size} bytes was announced")
            end = _PREFIX.size + header_size + body_size
            if len(self._buffer) < end:
                return
            frame = _parse(bytes(self._buffer[_PREFIX.size : end]), header_size)
            del self._buffer[:end]
            yield frame


def _parse(data: bytes, header_size: int) -> Frame:
    try:
        header = json.loads(data[:header_size])
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the header is not JSON") from error
    sizes = header.pop("blobs", None) if isinstance(header, dict) else None
    if not isinstance(sizes, list) or any(type(size) is not int or size < 0 for size in sizes):
        raise ProtocolError("the header is not an object with blob sizes")
    if header_size + sum(sizes) != len(data):
        raise ProtocolError("the blob sizes do not add up")
    blobs, start = [], header_size
    for size in sizes:
        blobs.append(data[start : start + size])
        start += size
    return Frame(header, blobs)
