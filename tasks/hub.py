"""Suites from the Hugging Face hub: the original files of a data set, fetched once, for the reader of their format.

What is fetched are data files only, into the hub library's own cache, and no code of a data set is ever run.
"""

from __future__ import annotations

from pathlib import Path

from tasks.errors import TaskError

PREFIX = "hf:"
_FILES = ("*.jsonl", "*.json", "*.jsonl.gz", "*.json.gz", "*.parquet", "*.arrow")


def fetched(source: str) -> Path:
    """Where `OWNER/NAME[@REVISION][/WHICH]` is on this machine now; WHICH is a file or folder of it, all if left out.

    Raises `TaskError` when there is no such data set or file, or no hub that answers.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    owner, _, rest = source.partition("/")
    name, _, which = rest.partition("/")
    name, _, revision = name.partition("@")
    if not owner or not name:
        raise TaskError(f'"{PREFIX}{source}" names no data set; write {PREFIX}OWNER/NAME, or {PREFIX}OWNER/NAME/FILE')
    wanted = [which, *(f"{which}/{kind}" for kind in _FILES)] if which else list(_FILES)
    try:
        folder = Path(
            snapshot_download(
                f"{owner}/{name}", repo_type="dataset", revision=revision or None, allow_patterns=wanted
            )
        )  # fmt: skip
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise TaskError(
            f"{PREFIX}{source}: the Hugging Face hub does not give this data set: {reason}; check its name and your "
            "login, or fetch its files elsewhere and name their folder"
        ) from error
    found = folder / which
    if not found.is_file() and not any(path.is_file() for path in found.rglob("*")):
        raise TaskError(f"{PREFIX}{source}: the data set has no such file, or no data in it; look at its file list")
    return found
