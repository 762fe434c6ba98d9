"""What an interpreter writes at the end of a program: streams flushed, exceptions as a program's own."""

from __future__ import annotations

import os
import sys
import types

_FOLDER = os.path.dirname(__file__)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte."""
    while data:
        data = data[os.write(fd, data) :]


def print_exception(error: BaseException) -> None:
    """What an interpreter prints of an exception nobody caught."""
    frames = frames_of(error)
    try:
        sys.excepthook(type(error), error.with_traceback(frames), frames)
    except BaseException as broken:
        broken.__context__ = None
        sys.stderr.write("Error in sys.excepthook:\n")
        sys.__excepthook__(type(broken), broken.with_traceback(frames_of(broken)), broken.__traceback__)
        sys.stderr.write("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, frames)


def frames_of(error: BaseException) -> types.TracebackType | None:
    """The traceback without the frames that are ours: those of this folder, and what started them.

    "<string>" is what started us at the head only; further down it is what the program has made of text.
    """
    frames = error.__traceback__
    while frames is not None and (_ours(frames) or frames.tb_frame.f_code.co_filename == "<string>"):
        frames = frames.tb_next
    last = frames
    while last is not None and last.tb_next is not None:
        if _ours(last.tb_next):
            last.tb_next = None  # where a driver's call went out
        else:
            last = last.tb_next
    return frames


def flush(complain: bool = False) -> bool:
    """Write out what the standard streams hold; whether that worked. `complain` as an interpreter does at its end."""
    good = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except BaseException as error:
            good = False
            if complain and stream is sys.stdout:
                write_all(2, f"Exception ignored in: {stream!r}\n{type(error).__name__}: {error}\n".encode())
    return good


def _ours(frame: types.TracebackType) -> bool:
    return os.path.dirname(frame.tb_frame.f_code.co_filename) == _FOLDER
