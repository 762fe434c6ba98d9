"""`Sandbox`: a few warm slots, and the rules for spreading work over them.

A submission stays in one slot. If that slot is lost, the runs that are left go to another; if that one is lost as
well, a harmless program on a third decides who is to blame: the submission (it brought two slots down) or us
(`Status.SANDBOX_FAILURE`, which is nobody's score).
"""

from __future__ import annotations

import math
import os
import queue
import threading
import weakref
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from sandbox.backends import Backend, make_backend
from sandbox.errors import SandboxError, SlotLost
from sandbox.languages import LANGUAGES
from sandbox.program import Execution, Limits, Program, Status, Submission
from sandbox.runner import values
from sandbox.slot import Slot

MAX_SOURCE_BYTES = 1 << 20
MAX_INPUT_BYTES = 32 << 20
MAX_OUTPUT_BYTES = 16 << 20
_RUNNER_MB = 384
"""On top of what programs may use: the runner, with one input and its output in memory."""
_RUNS_PER_SLOT = 20_000
_BEAT_S = 5.0
_BACK_OFF_S = 1.0
_SENTINEL = Program("print(input())")


class _Place:
    """Where a slot is, or is to be."""

    def __init__(self) -> None:
        self.slot: Slot | None = None
        self.error: SandboxError | None = None


class Sandbox:
    """Runs programs in warm slots.

    `slots` is how many run at the same time (the processors of this machine when None), `memory_mb` the memory of one
    slot and so the largest `Limits.memory_mb`, `mode` is "strict" (private namespaces for every run) or "basic" (for
    hosts that refuse CAP_SYS_ADMIN to containers). `image` names another Docker image than `rlef-sandbox:latest`.
    Safe to use from several threads. Raises SandboxError, whose message says what to do.
    """

    def __init__(
        self,
        backend: str = "docker",
        slots: int | None = None,
        *,
        image: str | None = None,
        memory_mb: int = 2048,
        mode: str = "strict",
    ) -> None:
        count = slots if slots is not None else len(os.sched_getaffinity(0))
        if not 1 <= count <= 1024:
            raise SandboxError(f"slots={count} is not between 1 and 1024")
        if memory_mb < 64:
            raise SandboxError(f"memory_mb={memory_mb}: a slot needs at least 64")
        if mode not in ("strict", "basic"):
            raise SandboxError(f"unknown mode {mode!r}; there are: strict, basic")
        self._memory_mb = memory_mb
        self._backend: Backend = make_backend(backend, image, memory_mb + _RUNNER_MB, mode)
        self._backend.check()
        self._places = [_Place() for _ in range(count)]
        self._free: queue.SimpleQueue[_Place] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._ever_worked = False
        weakref.finalize(self, self._backend.close)
        self._workers = ThreadPoolExecutor(count, thread_name_prefix="sandbox")
        for place in self._places:
            self._open_later(place)
        threading.Thread(target=_keep_alive, args=(weakref.ref(self), self._closed), daemon=True).start()

    def run(self, program: Program, inputs: Sequence[bytes], limits: Limits | None = None) -> list[Execution]:
        """One Execution per input, in order."""
        return self._finish(self._prepare(Submission(program, inputs, limits or Limits())), None, False, ())

    def run_many(self, submissions: Iterable[Submission], stop_on_failure: bool = False) -> list[list[Execution]]:
        """One list per submission, in order. With `stop_on_failure` a list ends at its first run that is not OK."""
        prepared = [self._prepare(submission) for submission in submissions]
        return list(self._workers.map(lambda one: self._finish(one, None, stop_on_failure, ()), prepared))

    def call(
        self, program: Program, entry: str, arguments: Sequence[Sequence[Any]], limits: Limits | None = None
    ) -> list[Execution]:
        """Call a function once per list of positional arguments, each in a new process; the results have `.value`.

        `entry` is a function's name or `Class.method`. Arguments and values are plain data: exact built-in types.
        Raises SandboxError for arguments that are not.
        """
        if program.language != "python":
            raise SandboxError(f"functions can be called in python only, not in {program.language}")
        if not all(part.isidentifier() for part in entry.split(".")):
            raise SandboxError(f"{entry!r} is not the name of a function")
        try:
            inputs = [values.dumps(list(case)) for case in arguments]
        except values.NotPlainData as error:
            raise SandboxError(f"an argument cannot be sent: {error}") from error
        return self._finish(self._prepare(Submission(program, inputs, limits or Limits())), entry, False, ())

    def run_undefended(self, submission: Submission, off: Sequence[str]) -> list[Execution]:
        """Run with some defences of the run left out, then destroy the slot. Only for proving that they matter.

        The container's own walls stay. `off` holds any of: seccomp, uid, namespaces, descriptors, processes, memory,
        time, output, cleanup.
        """
        return self._finish(self._prepare(submission), None, False, tuple(off))

    def protections(self) -> dict[str, Any]:
        """What is active in a slot: mode, control group version, system call filter."""
        place = self._lease()
        try:
            return dict(place.slot.protections) if place.slot else {}
        finally:
            self._free.put(place)

    def close(self) -> None:
        """End every slot. Runs that are under way end as SANDBOX_FAILURE."""
        if self._closed.is_set():
            return
        self._closed.set()
        ending = [threading.Thread(target=place.slot.destroy) for place in self._places if place.slot]
        for thread in ending:
            thread.start()
        self._workers.shutdown(wait=True, cancel_futures=True)
        for thread in ending:
            thread.join()
        self._backend.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self, submission: Submission) -> Submission:
        """Refuse what is the caller's mistake. What a model may have written is not: that becomes an Execution."""
        if self._closed.is_set():
            raise SandboxError("this Sandbox is closed; make a new one")
        program = submission.program
        if program.language not in LANGUAGES:
            raise SandboxError(f"unknown language {program.language!r}; there are: {', '.join(sorted(LANGUAGES))}")
        if not isinstance(program.source, str):
            raise SandboxError(f"Program.source is {type(program.source).__name__}, not str; decode it first")
        if not submission.inputs:
            return submission
        for data in submission.inputs:
            if not isinstance(data, bytes):
                raise SandboxError(f"an input is {type(data).__name__}, not bytes; encode it first")
            if len(data) > MAX_INPUT_BYTES:
                raise SandboxError(f"an input of {len(data)} bytes is larger than {MAX_INPUT_BYTES}")
        check_limits(submission.limits, self._memory_mb)
        return submission

    def _finish(
        self, submission: Submission, entry: str | None, stop_on_failure: bool, without: Sequence[str]
    ) -> list[Execution]:
        refusal = _refuse(submission.program.source)
        if refusal:
            return [refusal] * (1 if stop_on_failure else len(submission.inputs))
        done: list[Execution] = []
        losses: list[str] = []
        if not submission.inputs:
            return done
        while len(losses) < 2:
            place = self._lease()
            if place.slot is None:
                losses.append(f"no slot: {place.error}")
                self._closed.wait(_BACK_OFF_S)
                self._replace(place)
                continue
            left = submission.inputs[len(done) :]
            try:
                done += place.slot.run(
                    submission.program, left, submission.limits,
                    entry=entry, stop_on_failure=stop_on_failure, without=without,
                )  # fmt: skip
            except SlotLost as lost:
                done += lost.results
                losses.append(str(lost))
                self._replace(place)
            else:
                if without:
                    self._replace(place)
                else:
                    self._give_back(place)
                return done
        return done + [self._blame(losses)] * (1 if stop_on_failure else len(submission.inputs) - len(done))

    def _blame(self, losses: list[str]) -> Execution:
        why = "; then ".join(losses)
        place = self._lease()
        try:
            if place.slot is not None:
                answer = place.slot.run(_SENTINEL, [b"alive\n"], Limits())[0]
                self._give_back(place)
                if answer.stdout == b"alive\n" and not any(loss.startswith("no slot") for loss in losses):
                    return Execution(Status.SECURITY_VIOLATION, detail=f"the program brought down two slots: {why}")
                return Execution(Status.SANDBOX_FAILURE, detail=why)
        except SlotLost:
            pass
        self._replace(place)
        return Execution(Status.SANDBOX_FAILURE, detail=why)

    def _lease(self) -> _Place:
        place = self._free.get()
        if place.slot is None and place.error is not None and not self._ever_worked:
            self._replace(place)
            raise place.error
        return place

    def _give_back(self, place: _Place) -> None:
        if place.slot is not None and place.slot.runs >= _RUNS_PER_SLOT:
            self._replace(place)
        else:
            self._free.put(place)

    def _replace(self, place: _Place) -> None:
        slot, place.slot = place.slot, None
        if slot is not None:
            threading.Thread(target=slot.destroy, daemon=True).start()
        self._open_later(place)

    def _open_later(self, place: _Place) -> None:
        threading.Thread(target=self._open, args=(place,), daemon=True).start()

    def _open(self, place: _Place) -> None:
        try:
            if self._closed.is_set():
                raise SandboxError("this Sandbox is closed; make a new one")
            cell = self._backend.start()
            try:
                slot = Slot(cell)
            except BaseException:
                cell.destroy()
                raise
        except Exception as error:
            place.error = error if isinstance(error, SandboxError) else SandboxError(f"no slot starts: {error}")
        else:
            self._ever_worked = True
            place.slot, place.error = slot, None
            if self._closed.is_set():
                slot.destroy()
        self._free.put(place)


def _keep_alive(box: weakref.ref[Sandbox], closed: threading.Event) -> None:
    while not closed.wait(_BEAT_S):
        sandbox = box()
        if sandbox is None:
            return
        for place in sandbox._places:
            slot = place.slot
            if slot is not None:
                slot.beat()
        del sandbox


def _refuse(source: str) -> Execution | None:
    """What a compiler cannot even read. Models do write NUL bytes and lone surrogates, so this is a verdict."""
    detail = ""
    if "\0" in source:
        detail = "source code cannot contain null bytes"
    elif len(source) > MAX_SOURCE_BYTES or len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
        detail = f"source code is longer than {MAX_SOURCE_BYTES} bytes"
    else:
        try:
            source.encode()
        except UnicodeEncodeError:
            detail = "source code cannot contain lone surrogates"
    return Execution(Status.COMPILE_ERROR, stderr=f"{detail}\n".encode(), detail=detail) if detail else None


def check_limits(limits: Limits, memory_mb: int) -> None:
    """Raise SandboxError for limits that cannot be meant."""

    def need(good: bool, name: str, bounds: str) -> None:
        if not good:
            raise SandboxError(f"Limits.{name}={getattr(limits, name)!r} is not {bounds}")

    for name in ("wall_s", "cpu_s"):
        value = getattr(limits, name)
        if value is not None or name == "wall_s":
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            need(number and 0.01 <= value <= 3600, name, "a number of seconds between 0.01 and 3600")
    remedy = f"a whole number of mebibytes between 16 and {memory_mb} (give Sandbox a larger memory_mb for more)"
    need(type(limits.memory_mb) is int and 16 <= limits.memory_mb <= memory_mb, "memory_mb", remedy)
    for name, low, high in (("output_bytes", 0, MAX_OUTPUT_BYTES), ("processes", 1, 512)):
        value = getattr(limits, name)
        need(type(value) is int and low <= value <= high, name, f"a whole number from {low} to {high}")
