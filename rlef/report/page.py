"""One self-contained HTML page for a run: headline, curves, how episodes end, a few of them to read, configuration.

What a model wrote is hostile: jinja2 escapes every value, control characters and text-direction overrides are made
visible on the way, the page holds no script and forbids itself every request. It opens from `file://`.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rlef.errors import RlefError
from rlef.report import sample, table
from rlef.report.curves import render_curves

LONGEST_TEXT = 6000
"""Characters of one program or message that are shown."""

# Control characters (tab and newline stay), lone surrogates, and what reorders or hides text around it.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def write_report(run: Path) -> Path:
    """Write `report.html` into a run folder and return its path.

    Raises:
        RlefError: the folder holds no run.
    """
    known = ("result.json", "metrics.jsonl", "episodes.jsonl", "config.toml")
    if not any((run / name).exists() for name in known):
        raise RlefError(f"{run} holds none of {', '.join(known)}; name a folder that `rlef train` made")
    html = render_page(run)
    path = run / "report.html"
    # Written aside and moved into place, so that a browser never sees half a page.
    draft = path.with_suffix(".part")
    draft.write_text(html, encoding="utf-8")
    os.replace(draft, path)
    return path


def render_page(run: Path) -> str:
    """The page of a run folder as text."""
    environment = Environment(
        loader=PackageLoader("rlef.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clip"] = clip
    result = _read_result(run / "result.json")
    curves = render_curves(run)
    return environment.get_template("page.html.jinja").render(
        name=run.resolve().name,
        headings=table.HEADINGS,
        rows=table.rows(result) if result else [],
        counts=table.counts(result),
        curves=base64.b64encode(curves).decode() if curves else "",
        parts=sample.sample_episodes(run / "episodes.jsonl"),
        kinds=sample.KINDS,
        turns_of=sample.turns_of,
        verdicts_of=sample.verdicts_of,
        config=_read_text(run / "config.toml"),
        minutes=_flat(result.get("minutes")),
        versions=_flat(result.get("versions")),
    )


def visible(text: str) -> str:
    """Text in which nothing acts: an escape becomes "␛", other control and direction characters "\\u202e"."""

    def shown(match: re.Match[str]) -> str:
        code = ord(match[0])
        if code < 0x20:
            return chr(0x2400 + code)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    return _UNSAFE.sub(shown, text.replace("\r\n", "\n"))


def clip(text: Any, limit: int = LONGEST_TEXT) -> str:
    """The beginning and the end of a long text, and how much is missing between."""
    text = str(text)
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}\n… {len(text) - limit} characters left out …\n{text[-limit // 2 :]}"


def _read_result(path: Path) -> Mapping[str, Any]:
    try:
        result = json.loads(_read_text(path) or "{}")
    except ValueError as error:
        raise RlefError(f"{path} is not JSON ({error}); remove it, or run the evaluation again") from error
    return result if isinstance(result, dict) else {}


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _flat(value: Any) -> dict[str, str]:
    """A mapping for a two-column list, numbers rounded."""
    if not isinstance(value, Mapping):
        return {}
    return {str(key): f"{item:.3g}" if isinstance(item, float) else str(item) for key, item in value.items()}
