"""Frames: the same however the stream is cut, and nothing that is not a frame gets through."""

import contextlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.protocol import MAX_BODY, MAX_HEADER, Decoder, Frame, ProtocolError, encode

plain = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20)
headers = st.dictionaries(st.text(max_size=8).filter(lambda key: key != "blobs"), plain, max_size=4)
frames = st.lists(st.tuples(headers, st.lists(st.binary(max_size=40), max_size=3)), max_size=5)


def raw(header, body=b"", header_size=None, body_size=None):
    """A frame with any sizes in front."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    sizes = len(text) if header_size is None else header_size, len(body) if body_size is None else body_size
    return struct.pack(">II", *sizes) + text + body


@given(frames, st.data())
def test_frames_survive_any_cut(sent, data):
    stream = b"".join(encode(header, *blobs) for header, blobs in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder, got = Decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += decoder.feed(stream[start:end])
    assert got == [Frame(header, blobs) for header, blobs in sent]
    assert decoder.pending == 0


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_noise_is_refused_or_waited_for(chunks):
    decoder = Decoder()
    with contextlib.suppress(ProtocolError):
        for chunk in chunks:
            assert all(isinstance(frame, Frame) for frame in decoder.feed(chunk))


@given(frames.filter(bool), st.data())
def test_one_changed_byte_never_raises_anything_else(sent, data):
    stream = bytearray(b"".join(encode(header, *blobs) for header, blobs in sent))
    place = data.draw(st.integers(0, len(stream) - 1))
    stream[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        list(Decoder().feed(bytes(stream)))


@pytest.mark.parametrize(
    "stream",
    [
        raw(b"{"),
        raw(b""),
        raw(b"\xff\xfe"),
        raw(b"[" * 100_000),
        raw([]),
        raw(3),
        raw(None),
        raw({}),
        raw({"blobs": 1}),
        raw({"blobs": {"0": 1}}),
        raw({"blobs": [True]}, b"x"),
        raw({"blobs": [1.0]}, b"x"),
        raw({"blobs": [-1, 2]}, b"x"),
        raw({"blobs": [2]}, b"x"),
        raw({"blobs": []}, b"x"),
        raw({"blobs": [10**400]}, b"x"),
        raw({"blobs": []}, header_size=MAX_HEADER + 1),
        raw({"blobs": []}, body_size=MAX_BODY + 1),
        b"\xff" * 8,
    ],
)
def test_what_is_not_a_frame_is_refused(stream):
    with pytest.raises(ProtocolError):
        list(Decoder().feed(stream))


def test_frames_before_the_bad_one_arrive():
    arriving = Decoder().feed(encode({"a": 1}) + b"\xff" * 8)
    assert next(arriving) == Frame({"a": 1}, [])
    with pytest.raises(ProtocolError):
        next(arriving)


def test_too_large_frames_are_not_sent():
    with pytest.raises(ProtocolError, match="too large"):
        encode({"text": "x" * MAX_HEADER})
    with pytest.raises(ValueError, match="JSON"):
        encode({"cpu_s": float("nan")})


def test_sizes_are_those_of_the_blobs_whatever_the_header_says():
    assert list(Decoder().feed(encode({"blobs": "mine"}, b"ab"))) == [Frame({}, [b"ab"])]
