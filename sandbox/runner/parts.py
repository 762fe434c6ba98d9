"""What a Python program is asked besides running: one call, calls that come one by one, or to call another program."""

from __future__ import annotations

import os
from typing import Any, NoReturn

from sandbox.runner import dialogue, values
from sandbox.runner.output import flush, frames_of, write_all
from sandbox.runner.talk import Talk


class Part:
    """What a program does besides running."""

    module = "solution"
    """The name it runs under; under this one its main block does not run."""

    def before(self, namespace: dict[str, Any]) -> None:
        """Before its first line."""

    def after(self, namespace: dict[str, Any]) -> None:
        """After its last one."""


class Call(Part):
    """One call of a function, or of a method of a new instance; reports `V` and the value or `E` and why there is none.

    `arguments` is text of `values.dumps`.
    """

    def __init__(self, report: int, entry: str, arguments: bytes) -> None:
        self._report = report
        self._entry = entry
        self._arguments = arguments

    def after(self, namespace: dict[str, Any]) -> None:
        head, *rest = self._entry.split(".")
        if head not in namespace:
            raise NameError(f"name {head!r} is not defined")
        function = namespace[head]
        for name in rest:
            function = getattr(function() if isinstance(function, type) else function, name)
        value = function(*values.loads(self._arguments))
        try:
            text = b"V" + values.dumps(value)
        except values.NotPlainData as error:
            text = b"E" + str(error).encode(errors="replace")[:4096]
        write_all(self._report, text)


class Functions(Part):
    """Answers calls of its functions, one after the other, in one process."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def after(self, namespace: dict[str, Any]) -> None:
        dialogue.serve(self._talk, namespace, frames_of)


class Drives(Part):
    """Calls functions of a program that runs elsewhere; says so when its last line is through."""

    module = "__main__"

    def __init__(self, talk: Talk) -> None:
        self._driver = dialogue.Driver(talk, _leave)
        self.trace_of = self._driver.trace_of

    def before(self, namespace: dict[str, Any]) -> None:
        namespace["__builtins__"] = self._driver.names()

    def after(self, namespace: dict[str, Any]) -> None:
        self._driver.done()


def _leave() -> NoReturn:
    flush()
    os._exit(1)
