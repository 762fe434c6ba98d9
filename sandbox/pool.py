"""`Sandbox`: a few warm slots, and the rules for spreading work over them.

A submission stays in one slot. If that slot is lost, the runs that are left go to another; if that one is lost as
well, a harmless program on a third decides who is to blame: the submission (it brought two slots down) or us
(`Status.SANDBOX_FAILURE`, which is nobody's score).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from sandbox.backends import open_backend
from sandbox.checks import check_defences, check_submission, refuse
from sandbox.driving import Driven, drive
from sandbox.errors import SandboxError, SlotLost, SlotMissing
from sandbox.places import CLOSED, Places
from sandbox.program import Execution, Limits, Program, Status, Submission
from sandbox.runner import values

_RUNNER_MB = 384
"""On top of what programs may use: the runner, with one input and its output in memory."""
_BACK_OFF_S = 1.0
_SENTINEL = Program("print(input())")


class Sandbox:
    """Runs programs in warm slots.

    `backend` is "docker", "namespaces" (root, no engine), "bubblewrap" (neither) or "auto", the strongest of these that
    works here; `box.backend.name` then says which, `box.passed_over` why not a stronger one. None is what
    $RLEF_SANDBOX_BACKEND names, else "docker". `slots` is how many run at the same time (the processors of this machine
    when None), `memory_mb` the memory of one slot and so the largest `Limits.memory_mb`, `mode` is "strict" (private
    namespaces for every run) or "basic" (for hosts that refuse CAP_SYS_ADMIN to containers). `interpreter` is "fork"
    (a Python program is a fork of a waiting interpreter) or "exec" (it has one of its own, started anew: slower, and
    nothing is shared between runs). `image` names another Docker image than `rlef-sandbox:latest`, or for the other
    backends a folder with a root file system other than this machine's own. Safe to use from several threads.
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
        interpreter: str = "fork",
    ) -> None:
        count = slots if slots is not None else len(os.sched_getaffinity(0))
        if not 1 <= count <= 1024:
            raise SandboxError(f"slots={count} is not between 1 and 1024")
        if memory_mb < 64:
            raise SandboxError(f"memory_mb={memory_mb}: a slot needs at least 64")
        if mode not in ("strict", "basic"):
            raise SandboxError(f"unknown mode {mode!r}; there are: strict, basic")
        if interpreter not in ("fork", "exec"):
            raise SandboxError(f"unknown interpreter {interpreter!r}; there are: fork, exec")
        self._memory_mb = memory_mb
        self.backend, self.passed_over = open_backend(
            backend or os.environ.get("RLEF_SANDBOX_BACKEND") or "docker", image, memory_mb + _RUNNER_MB, mode
        )
        self._closed = threading.Event()
        weakref.finalize(self, self.backend.close)
        self._places = Places(self.backend, count, interpreter, self._closed)
        self._drivers: Places | None = None
        self._opening = threading.Lock()
        self._workers = ThreadPoolExecutor(count, thread_name_prefix="sandbox")

    def run(self, program: Program, inputs: Sequence[bytes], limits: Limits | None = None) -> list[Execution]:
        """One Execution per input, in order."""
        return self._finish(self._prepare(Submission(program, inputs, limits or Limits())), None, False, ())

    def run_many(self, submissions: Iterable[Submission], stop_on_failure: bool = False) -> list[list[Execution]]:
        """One list per submission, in order. With `stop_on_failure` a list ends at its first run that is not OK."""
        prepared = [self._prepare(submission) for submission in submissions]
        futures = []
        try:
            for one in prepared[1:]:
                futures.append(self._workers.submit(self._finish, one, None, stop_on_failure, ()))
        except RuntimeError:
            if not self._closed.is_set():
                raise
        try:
            # The caller takes the first, so that a single one wakes no other thread.
            done = [self._finish(one, None, stop_on_failure, ()) for one in prepared[:1]]
            done += [future.result() for future in futures]
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
        _only_python(program)
        if not all(part.isidentifier() for part in entry.split(".")):
            raise SandboxError(f"{entry!r} is not the name of a function")
        try:
            inputs = [values.dumps(list(case)) for case in arguments]
        except values.NotPlainData as error:
            raise SandboxError(f"an argument cannot be sent: {error}") from error
        return self._finish(self._prepare(Submission(program, inputs, limits or Limits())), entry, False, ())

    def drive(self, driver: Program, program: Program, limits: Limits | None = None) -> Driven:
        """Run `driver`, which calls functions of `program` though that runs in another slot.

        In the driver `__function__("name")` is a function of the program. Arguments and values cross as plain data,
        values of subclasses of the built-in types as those; exceptions cross as the nearest built-in one; what a
        function does to its arguments is done to the driver's. `limits` hold for the program from its start to the
        driver's end, and again for the driver.
        """
        _only_python(driver)
        _only_python(program)
        if why := refuse(driver.source):
            raise SandboxError(f"the driver: {why.detail}")
        limits = limits or Limits()
        self._prepare(Submission(program, [b""], limits))
        if refusal := refuse(program.source):
            return Driven(refusal)
        lost: list[str] = []
        missing: list[str] = []
        while len(lost) < 2 and len(missing) < 2:
            try:
                with self._driver_places().leased() as driver_slot, self._places.leased() as program_slot:
                    return drive(driver_slot, program_slot, driver, program, limits)
            except SlotMissing as error:
                missing.append(str(error))
                self._closed.wait(_BACK_OFF_S)
            except SlotLost as loss:
                lost.append(str(loss))
        return Driven(self._blame(lost, missing))

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
            raise SandboxError(CLOSED)
        place = self._places.lease()
        try:
            if place.slot is None:
                raise place.error or SandboxError(CLOSED)
            return dict(place.slot.protections)
        finally:
            self._places.release(place)

    def close(self) -> None:
        """End every slot. Runs that are under way end as SANDBOX_FAILURE."""
        if self._closed.is_set():
            return
        self._closed.set()
        with self._opening:
            everywhere = [places for places in (self._places, self._drivers) if places is not None]
        for places in everywhere:
            places.end()
        self._workers.shutdown(wait=True)
        for places in everywhere:
            places.close()
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
            raise SandboxError(CLOSED)
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
            place = self._places.lease()
            if place.slot is None:
                missing.append(f"no slot: {place.error}")
                self._closed.wait(_BACK_OFF_S)
                self._places.replace(place)
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
                self._places.replace(place)
            except BaseException:
                self._places.replace(place)  # a run may be under way in it
                raise
            else:
                if without:
                    self._places.replace(place)
                else:
                    self._places.give_back(place)
                return done
            if stop_on_failure and done and done[-1].status is not Status.OK:
                return done
        left_over = len(submission.inputs) - len(done)
        if not left_over:
            return done
        return done + [self._blame(lost, missing)] * (1 if stop_on_failure else left_over)

    def _driver_places(self) -> Places:
        """As many slots again, from the first driver on. Programs never run in them."""
        with self._opening:
            if self._closed.is_set():
                raise SandboxError(CLOSED)
            if self._drivers is None:
                self._drivers = Places(self.backend, len(self._places), "fork", self._closed)
            return self._drivers

    def _blame(self, lost: list[str], missing: list[str]) -> Execution:
        why = "; then ".join(lost + missing)
        if not missing and not self._closed.is_set():
            place = self._places.lease()
            healthy = False
            try:
                if place.slot is not None:
                    healthy = place.slot.run(_SENTINEL, [b"alive\n"], Limits())[0].stdout == b"alive\n"
            except SlotLost:
                pass
            finally:
                if healthy:
                    self._places.give_back(place)
                else:
                    self._places.replace(place)
            if healthy:
                return Execution(Status.SECURITY_VIOLATION, detail=f"the program brought down two slots: {why}")
        return Execution(Status.SANDBOX_FAILURE, detail=why)


def _only_python(program: Program) -> None:
    if program.language != "python":
        raise SandboxError(f"functions can be called in python only, not in {program.language}")
