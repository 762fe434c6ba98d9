"""`rlef vstar`: where its configuration comes from, before anything heavy is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from rlef.config import load_config, read_config
from rlef.errors import RlefError
from rlef.verifiers.config import VStarConfig, check_vstar

Parse = Callable[[VStarConfig], VStarConfig]
"""The command line's flags over a default."""


def run_vstar(resume: str | None, path: str | None, parse: Parse) -> None:
    """Start a run, or go on with one.

    Raises:
        RlefError: a value that cannot be meant, no such run, or the extra `vstar` is not installed.
    """
    if resume is None:
        config = configuration(read_config(VStarConfig, Path(path)) if path else VStarConfig(), parse)
        check_vstar(config)
    elif not (Path(resume) / "config.toml").exists() or not (Path(resume) / "samples").is_dir():
        raise RlefError(f"{resume}: no run of `rlef vstar`; name a folder it made")
    missing = [name for name in ("trl", "peft", "datasets", "rapidfuzz") if find_spec(name) is None]
    if missing:  # better now than after hours of sampling
        raise RlefError(f"verifiers need {', '.join(missing)}; run: pip install 'rlef[vstar]'")
    from rlef.run import Run
    from rlef.verifiers.vstar import create, vstar

    run = create(config) if resume is None else Run(Path(resume))
    try:
        vstar(run)
    except KeyboardInterrupt:
        print(f"\nstopped; go on with: rlef vstar --resume {run.folder}")
        raise


def configuration(default: VStarConfig, parse: Parse) -> VStarConfig:
    """Flags over the default. With --episodes the default is how the first run sampled."""
    config = parse(default)
    if not config.episodes:
        return config
    trained = load_config(Path(config.episodes[0]) / "config.toml")
    config = parse(
        dataclasses.replace(
            default, suite=trained.suite, system=trained.system, feedback=trained.feedback,
            max_new_tokens=trained.rollout.max_new_tokens, context=trained.rollout.context,
        )
    )  # fmt: skip
    return dataclasses.replace(config, episodes=tuple(str(Path(run).resolve()) for run in config.episodes))
