"""Where slots are: a fixed number of places, each with a slot that is free, leased, or being replaced.

Slots start and end in threads of their own, so whoever runs a program never waits for an engine that is slow to take
one down. A slot that died while idle is replaced unseen, and idle slots are told that their owner lives.
"""

from __future__ import annotations

import itertools
import queue
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sandbox.backends import Backend
from sandbox.errors import SandboxError, SlotMissing
from sandbox.slot import Slot

_RUNS_PER_SLOT = 20_000
_BEAT_S = 5.0
CLOSED = "this Sandbox is closed; make a new one"


class Place:
    """Where a slot is, or is to be."""

    def __init__(self) -> None:
        self.slot: Slot | None = None
        self.error: SandboxError | None = None


class Places(Sequence[Place]):
    """`count` places with slots of one backend. They end when `closed` is set and `close` is called."""

    def __init__(self, backend: Backend, count: int, interpreter: str, closed: threading.Event) -> None:
        self._backend = backend
        self._interpreter = interpreter
        self._all = [Place() for _ in range(count)]
        self._free: queue.PriorityQueue[tuple[bool, int, Place]] = queue.PriorityQueue()
        self._given_back = itertools.count()
        self._closed = closed
        self._ever_worked = False
        self._lifecycle = ThreadPoolExecutor(2 * count, thread_name_prefix="sandbox-slots")
        for place in self._all:
            self._lifecycle.submit(self._open, place)
        threading.Thread(target=_keep_alive, args=(weakref.ref(self), closed), daemon=True).start()

    def __getitem__(self, index: Any) -> Any:
        return self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def lease(self) -> Place:
        """A place that is free; one without a slot when none can be had. Raises SandboxError if there never was one."""
        for _ in range(2 * len(self._all)):
            place = self._next()
            if place.slot is None and place.error is not None and not self._ever_worked:
                error = place.error
                self.replace(place)
                raise error
            if place.slot is None or place.slot.alive():
                return place
            self.replace(place)  # it died while idle: the engine restarted, the machine slept. Nobody is to blame.
        return self._next()

    def release(self, place: Place) -> None:
        """Give a place back as it is, even one without a slot."""
        # The one used last comes first: its memory is still in the processor's caches. Those without a slot come last.
        self._free.put((place.slot is None, -next(self._given_back), place))

    def _next(self) -> Place:
        return self._free.get()[2]

    def give_back(self, place: Place) -> None:
        """Give a place back after a run, with a new slot when this one has served long enough."""
        if place.slot is not None and place.slot.runs >= _RUNS_PER_SLOT:
            self.replace(place)
        else:
            self.release(place)

    def replace(self, place: Place) -> None:
        """Destroy the slot of a leased place; the place is free again when it has another."""
        slot, place.slot = place.slot, None
        try:
            if slot is not None:
                self._lifecycle.submit(slot.destroy)
            self._lifecycle.submit(self._open, place)
        except RuntimeError:  # closed meanwhile; whoever waits for a place must still get one
            if slot is not None:
                slot.destroy()
            place.error = SandboxError(CLOSED)
            self.release(place)

    @contextmanager
    def leased(self) -> Iterator[Slot]:
        """A slot for a while; a new one takes its place if that ends in an error. Raises SlotMissing, SandboxError."""
        place = self.lease()
        if place.slot is None:
            reason = f"no slot: {place.error}"
            self.replace(place)
            raise SlotMissing(reason)
        try:
            yield place.slot
        except SlotMissing:  # of another; nothing ran in this one
            self.release(place)
            raise
        except BaseException:
            self.replace(place)
            raise
        else:
            self.give_back(place)

    def end(self) -> None:
        """Destroy every slot, so that what runs in them ends."""
        for slot in [place.slot for place in self._all if place.slot]:
            self._lifecycle.submit(slot.destroy)

    def close(self) -> None:
        """Wait until all is down."""
        self._lifecycle.shutdown(wait=True)

    def _open(self, place: Place) -> None:
        try:
            if self._closed.is_set():
                raise SandboxError(CLOSED)
            cell = self._backend.start()
            try:
                slot = Slot(cell, self._interpreter)
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
        self.release(place)


def _keep_alive(reference: weakref.ref[Places], closed: threading.Event) -> None:
    while not closed.wait(_BEAT_S):
        places = reference()
        if places is None:
            return
        for place in places:
            slot = place.slot
            if slot is not None:
                slot.beat()
        del places
