"""`Sandbox`: a few warm slots, and the rules for spreading work over them.

A submission stays in one slot. If that slot is lost, the runs that are left go to another; if that one is lost as
well, a harmless program on a third decides who is to blame: the submission (it brought two slots down) or us
(`Status.SANDBOX_FAILURE`, which is nobody's score).
"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from sandbox.backends import open_backend
from sandbox.checks import check_defences, check_submission, refuse
from sandbox.errors import SandboxError, SlotLost
from sandbox.program import Execution, Limits, Program, Status, Submission
from sandbox.runner import values
from sandbox.slot import Slot

_RUNNER_MB = 384
"""On top of what programs may use: the runner, with one input and its output in memory."""
_RUNS_PER_SLOT = 20_000
_BEAT_S = 5.0
_BACK_OFF_S = 1.0
_SENTINEL = Program("print(input())")
_CLOSED = "this Sandbox is closed; make a new one"


class _Place:
    """Where a slot is, or is to be."""

    def __init__(self) -> None:
        self.slot: Slot | None = None
        self.error: SandboxError | None = None


class Sandbox:
    """Runs programs in warm slots.

    `backend` is "docker", "namespaces" (root, no engine), "bubblewrap" (neither) or "auto", the strongest of these that
    works here; `box.backend.name` then says which, `box.passed_over` why not a stronger one. None is what
    $RLEF_SANDBOX_BACKEND names, else "docker". `slots` is how many run at the same time (the processors of this machine
    when None), `memory_mb` the memory of one slot and so the largest `Limits.memory_mb`, `mode` is "strict" (private
    namespaces for every run) or "basic" (for hosts that refuse CAP_SYS_ADMIN to containers). `image` names another
    Docker image than `rlef-sandbox:latest`, or for the other backends a folder with a root file system other than this
    machine's own. Safe to use from several threads.
    Raises SandboxError, whose message says what to do.
    """

    def __init__(
        self,
        backend: str | None = None,
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
        self.backend, self.passed_over = open_backend(
            backend or os.environ.get("RLEF_SANDBOX_BACKEND") or "docker", image, memory_mb + _RUNNER_MB, mode
        )
        self._places = [_Place() for _ in range(count)]
        self._free: queue.SimpleQueue[_Place] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._ever_worked = False
        weakref.finalize(self, self.backend.close)
        self._workers = ThreadPoolExecutor(count, thread_name_prefix="sandbox")
        self._lifecycle = ThreadPoolExecutor(2 * count, thread_name_prefix="sandbox-slots")
        for place in self._places:
            self._lifecycle.submit(self._open, place)
        threading.Thread(target=_keep_alive, args=(weakref.ref(self), self._closed), daemon=True).start()

    def run(self, program: Program, inputs: Sequence[bytes], limits: Limits | None = None) -> list[Execution]:
        """One Execution per input, in order."""
        return self._finish(self._prepare(Submission(program, inputs, limits or Limits())), None, False, ())

    def run_many(self, submissions: Iterable[Submission], stop_on_failure: bool = False) -> list[list[Execution]]:
        """One list per submission, in order. With `stop_on_failure` a list ends at its first run that is not OK."""
        prepared = [self._prepare(submission) for submission in submissions]
        futures = []
        try:
            for one in prepared:
                futures.append(self._workers.submit(self._finish, one, None, stop_on_failure, ()))
        except RuntimeError:
            if not self._closed.is_set():
                raise
        try:
            done = [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
        # Closed while they were handed out: the others end like runs that were under way.
        return done + [self._finish(one, None, stop_on_failure, ()) for one in prepared[len(done) :]]

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
        check_defences(off)
        return self._finish(self._prepare(submission), None, False, tuple(off))

    def protections(self) -> dict[str, Any]:
        """What is active in a slot: mode, control group version, system call filter."""
        if self._closed.is_set():
            raise SandboxError(_CLOSED)
        place = self._lease()
        try:
            if place.slot is None:
                raise place.error or SandboxError(_CLOSED)
            return dict(place.slot.protections)
        finally:
            self._free.put(place)

    def close(self) -> None:
        """End every slot. Runs that are under way end as SANDBOX_FAILURE."""
        if self._closed.is_set():
            return
        self._closed.set()
        for slot in [place.slot for place in self._places if place.slot]:
            self._lifecycle.submit(slot.destroy)
        self._workers.shutdown(wait=True)
        self._lifecycle.shutdown(wait=True)
        self.backend.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self, submission: Submission) -> Submission:
        """Refuse what is the caller's mistake. What a model may have written is not: that becomes an Execution."""
        if self._closed.is_set():
            raise SandboxError(_CLOSED)
        check_submission(submission, self._memory_mb)
        return submission

    def _finish(
        self, submission: Submission, entry: str | None, stop_on_failure: bool, without: Sequence[str]
    ) -> list[Execution]:
        refusal = refuse(submission.program.source)
        if refusal:
            return [refusal] * (min(1, len(submission.inputs)) if stop_on_failure else len(submission.inputs))
        done: list[Execution] = []
        lost: list[str] = []  # slots that ended with the submission in them
        missing: list[str] = []  # slots there should have been
        while len(done) < len(submission.inputs) and len(lost) < 2 and len(missing) < 2:
            place = self._lease()
            if place.slot is None:
                missing.append(f"no slot: {place.error}")
                self._closed.wait(_BACK_OFF_S)
                self._replace(place)
                continue
            left = submission.inputs[len(done) :]
            try:
                done += place.slot.run(
                    submission.program, left, submission.limits,
                    entry=entry, stop_on_failure=stop_on_failure, without=without,
                )  # fmt: skip
            except SlotLost as loss:
                done += loss.results
                lost.append(str(loss))
                self._replace(place)
            except BaseException:
                self._replace(place)  # a run may be under way in it
                raise
            else:
                if without:
                    self._replace(place)
                else:
                    self._give_back(place)
                return done
            if stop_on_failure and done and done[-1].status is not Status.OK:
                return done
        left_over = len(submission.inputs) - len(done)
        if not left_over:
            return done
        return done + [self._blame(lost, missing)] * (1 if stop_on_failure else left_over)

    def _blame(self, lost: list[str], missing: list[str]) -> Execution:
        why = "; then ".join(lost + missing)
        if not missing and not self._closed.is_set():
            place = self._lease()
            healthy = False
            try:
                if place.slot is not None:
                    healthy = place.slot.run(_SENTINEL, [b"alive\n"], Limits())[0].stdout == b"alive\n"
            except SlotLost:
                pass
            finally:
                if healthy:
                    self._give_back(place)
                else:
                    self._replace(place)
            if healthy:
                return Execution(Status.SECURITY_VIOLATION, detail=f"the program brought down two slots: {why}")
        return Execution(Status.SANDBOX_FAILURE, detail=why)

    def _lease(self) -> _Place:
        """A place that is free; one without a slot when none can be had. Raises SandboxError if there never was one."""
        for _ in range(2 * len(self._places)):
            place = self._free.get()
            if place.slot is None and place.error is not None and not self._ever_worked:
                error = place.error
                self._replace(place)
                raise error
            if place.slot is None or place.slot.alive():
                return place
            self._replace(place)  # it died while idle: the engine restarted, the machine slept. Nobody is to blame.
        return self._free.get()

    def _give_back(self, place: _Place) -> None:
        if place.slot is not None and place.slot.runs >= _RUNS_PER_SLOT:
            self._replace(place)
        else:
            self._free.put(place)

    def _replace(self, place: _Place) -> None:
        slot, place.slot = place.slot, None
        try:
            if slot is not None:
                self._lifecycle.submit(slot.destroy)
            self._lifecycle.submit(self._open, place)
        except RuntimeError:  # closed meanwhile; whoever waits for a place must still get one
            if slot is not None:
                slot.destroy()
            place.error = SandboxError(_CLOSED)
            self._free.put(place)

    def _open(self, place: _Place) -> None:
        try:
            if self._closed.is_set():
                raise SandboxError(_CLOSED)
            cell = self.backend.start()
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
