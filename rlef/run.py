"""The run folder: files that are only ever added to or replaced whole, so that a killed run loses nothing.

    config.toml  metrics.jsonl  tensorboard/  episodes.jsonl  evaluation/  checkpoints/  result.json  curves.png
    report.html

A checkpoint notes how long the growing files were. Resuming cuts them back to that, so a resumed run writes the same
lines as one that was never stopped. Of several processes only the first one writes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import itertools
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from rlef.config import TrainConfig, load_config, save_config
from rlef.episode import Episode, append_episodes, read_episodes
from rlef.errors import RlefError
from rlef.processes import joined

GROWING = ("metrics.jsonl", "episodes.jsonl")
AHEAD = "ahead.jsonl"


Method = TypeVar("Method", bound=Callable[..., Any])


def _by_the_first(method: Method) -> Method:
    """A method that does nothing in the other processes of a run."""

    @functools.wraps(method)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        return method(*arguments, **named) if joined().first else None

    return cast("Method", wrapped)


class Run:
    """One run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._board: Any = None

    @staticmethod
    def create(config: TrainConfig) -> Run:
        """A new folder under `config.out`, named by date and seed."""
        if not joined().first:
            return Run(Path(joined().tell("")))
        run = Run(claim(config.out, f"seed{config.seed}"))
        try:
            with guard(run.folder, resume=False):
                (run.folder / "checkpoints").mkdir()
                (run.folder / "evaluation").mkdir()
                save_config(config, run.folder / "config.toml")
                for name in GROWING:
                    (run.folder / name).touch()
        except RlefError:
            run.discard_if_empty()
            raise
        joined().tell(str(run.folder))
        return run

    @_by_the_first
    def discard_if_empty(self) -> None:
        """Remove a folder in which nothing has been computed yet."""
        if not any(any((self.folder / name).glob("*")) for name in ("checkpoints", "evaluation")):
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second run out. Raises RlefError when there is one already."""
        if not joined().first:
            yield
            return
        with (self.folder / "config.toml").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RlefError(f"another process is working on {self.folder}; wait for it, or stop it") from error
            yield

    @staticmethod
    def open(folder: Path) -> Run:
        """An existing folder. Raises RlefError when it is none."""
        if not (folder / "config.toml").exists():
            raise RlefError(f"{folder} holds no config.toml; name a folder that `rlef train` made")
        return Run(folder)

    @property
    def config(self) -> TrainConfig:
        """The configuration the run was started with."""
        return load_config(self.folder / "config.toml")

    @_by_the_first
    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a line to metrics.jsonl, and the same numbers to TensorBoard's files."""
        from torch.utils.tensorboard import SummaryWriter

        known = {name: value for name, value in metrics.items() if math.isfinite(value)}  # JSON has no NaN
        with guard(self.folder):
            with (self.folder / "metrics.jsonl").open("a") as file:
                file.write(json.dumps({"step": step, **known}) + "\n")
            if self._board is None:  # what a killed process wrote from this step on is purged
                self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step)
            for name, value in known.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    @_by_the_first
    def add_episodes(self, episodes: Sequence[Episode]) -> None:
        """Add lines to episodes.jsonl."""
        with guard(self.folder):
            append_episodes(self.folder / "episodes.jsonl", episodes)

    def episodes(self) -> Iterator[Episode]:
        """The training episodes so far."""
        return read_episodes(self.folder / "episodes.jsonl")

    def evaluation(self, name: str) -> list[Episode] | None:
        """Episodes of a finished evaluation, None when it is not there."""
        path = self.folder / "evaluation" / f"{name}.jsonl"
        return list(read_episodes(path)) if path.exists() else None

    @_by_the_first
    def save_evaluation(self, name: str, episodes: Sequence[Episode]) -> None:
        """Keep the episodes of an evaluation."""
        with guard(self.folder), replacing(self.folder / "evaluation" / f"{name}.jsonl") as part:
            append_episodes(part, episodes)

    @_by_the_first
    def save_result(self, result: Mapping[str, Any]) -> None:
        """Write result.json."""
        with guard(self.folder), replacing(self.folder / "result.json") as part:
            part.write_text(json.dumps(result, indent=2) + "\n")

    @_by_the_first
    def save_model(self, name: str, model: Any, tokenizer: Any) -> None:
        """Write checkpoints/`name` in Hugging Face format."""
        with guard(self.folder), replacing(self.folder / "checkpoints" / name) as part:
            _write_model(part, model, tokenizer)

    def save_state(
        self, step: int, model: Any, tokenizer: Any, state: Mapping[str, Any], ahead: Sequence[Episode] = ()
    ) -> None:
        """Replace checkpoints/latest by the learner after `step` updates: model, optimiser, lengths of the files.

        Args:
            ahead: episodes that were sampled already for the next update.
        """
        import torch

        from rlef.sharding import collected, is_split

        weights = collected(model.state_dict()) if any(map(is_split, model.parameters())) else None
        if not joined().first:
            return
        lengths = {name: (self.folder / name).stat().st_size for name in GROWING}
        with guard(self.folder), replacing(self.folder / "checkpoints" / "latest") as part:
            _write_model(part, model, tokenizer, weights)
            torch.save({"step": step, "lengths": lengths, "state": dict(state)}, part / "trainer.pt")
            if ahead:
                append_episodes(part / AHEAD, ahead)

    def ahead(self) -> list[Episode]:
        """The episodes that the latest checkpoint has for the next update; none where there is no checkpoint."""
        path = self.folder / "checkpoints" / "latest" / AHEAD
        return list(read_episodes(path)) if path.exists() else []

    def load_state(self) -> tuple[int, Path, Mapping[str, Any]] | None:
        """(updates done, model folder, state) of the latest checkpoint; cuts the growing files back to it."""
        import torch

        folder = self.folder / "checkpoints" / "latest"
        if joined().first:
            finish_replacing(folder)
        if not joined().tell((folder / "trainer.pt").exists()):
            return None
        saved = torch.load(folder / "trainer.pt", weights_only=True, map_location="cpu")
        for name, length in saved["lengths"].items():
            path = self.folder / name
            if not path.exists() or path.stat().st_size < length:
                raise RlefError(f"{path} is shorter than when the checkpoint was made; put the whole file back")
            if joined().first:
                os.truncate(path, length)
        joined().tell(None)  # the files are cut
        return saved["step"], folder, saved["state"]

    @_by_the_first
    def minutes(self, stage: str = "", more: float = 0.0) -> dict[str, float]:
        """Minutes by stage over all processes that worked on this run, after adding some to a stage."""
        path = self.folder / "minutes.json"
        known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
        if stage:
            known[stage] = known.get(stage, 0.0) + more
            with guard(self.folder), replacing(path) as part:
                part.write_text(json.dumps(known) + "\n")
        return known

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add what is done within to the minutes of a stage."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.minutes(stage, (time.monotonic() - started) / 60)

    @_by_the_first
    def forget_result(self) -> None:
        """Remove the evaluation of a trained model that is about to be trained further."""
        for path in (self.folder / "evaluation" / "trained.jsonl", self.folder / "result.json"):
            path.unlink(missing_ok=True)

    @_by_the_first
    def restart(self) -> None:
        """Empty the growing files: training starts from its beginning."""
        for name in GROWING:
            os.truncate(self.folder / name, 0)


def _write_model(folder: Path, model: Any, tokenizer: Any, weights: Mapping[str, Any] | None = None) -> None:
    from rlef.policies.lora import merged

    merged(model).save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)


@contextlib.contextmanager
def guard(folder: Path, resume: bool = True) -> Iterator[None]:
    """Turn what a disk can do to us into an RlefError with the remedy."""
    then = f", then: rlef train --resume {folder} (nothing before is lost)" if resume else " and start again"
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RlefError(f"no space left for {folder}; free some{then}") from error
        raise RlefError(f"cannot write {folder}: {error.strerror or error}; choose another place with --out") from error
    except Exception as error:
        # safetensors reports a full disk as an error of its own
        if "No space left" in str(error) or "os error 28" in str(error):
            raise RlefError(f"no space left for {folder}; free some{then}") from error
        raise


def claim(out: str, name: str) -> Path:
    """A new folder in `out`: date, time and name, and a number where another such has begun in the same second."""
    first = folder = Path(out) / f"{datetime.now():%Y%m%d-%H%M%S}-{name}"
    with guard(folder, resume=False):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(2):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                break
            folder = first.with_name(f"{first.name}_{number}")
    return folder


@contextlib.contextmanager
def claimed(out: str, name: str) -> Iterator[Path]:
    """`claim`, for what is written at the end: a folder that stays empty is taken away again."""
    folder = claim(out, name)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or a folder to; it takes the place of `path` when all is written."""
    part, old = path.with_name(path.name + ".part"), path.with_name(path.name + ".old")
    _remove(part)
    try:
        yield part
    except BaseException:
        _remove(part)
        raise
    if path.is_dir():
        _remove(old)
        path.rename(old)
    os.replace(part, path)
    _remove(old)


def finish_replacing(path: Path) -> None:
    """A folder cannot be exchanged in one step: if the process died between the two, the old one comes back."""
    old = path.with_name(path.name + ".old")
    if old.exists() and not path.exists():
        old.rename(path)
    _remove(old)
    _remove(path.with_name(path.name + ".part"))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
