"""`rlef report`: one self-contained HTML page for one run or several over each other.

What a model wrote is hostile. It reaches the page in two ways only: through jinja2, which escapes every value, and as
JSON without a "<", which the page's script turns into text nodes and never into markup. The page's policy names its
own scripts by their hashes and forbids every other script and every request. It opens from `file://`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rlef.arguments import take
from rlef.errors import RlefError
from rlef.evaluation.behaviour import ENDINGS
from rlef.report import charts, payload, rows, selection, table
from rlef.report.reading import RunFolder, read_run
from rlef.report.tally import Tally
from rlef.report.texts import clip, visible

LIBRARIES = ("vendor/chart.umd.min.js", "vendor/chartjs-chart-sankey.min.js")
SCRIPTS = ("script/theme.js", "script/charts.js", "script/episodes.js")


def command(given: list[str]) -> None:
    """`rlef report`."""
    out, given = take(given, "--out")
    if not given or any(word.startswith("-") for word in given):
        raise RlefError("usage: rlef report RUN... [--out FILE]")
    print(write_report(*map(Path, given), out=Path(out) if out else None))


def write_report(run: Path, *more: Path, out: Path | None = None) -> Path:
    """Write the page of a run, or of several over each other, and return its path.

    It goes to `out`; without one to `report.html` in the run's folder, for several runs in the working directory.

    Raises:
        RlefError: a folder holds no run, a run is named twice, or the page cannot be written.
    """
    folders = [run, *more]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise RlefError("a run is named twice; name each once")
    path = out or (Path("report.html") if more else run / "report.html")
    html = render_page([read_run(folder) for folder in folders])
    # Written aside and moved into place, so that a browser never sees half a page.
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_text(html, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise RlefError(f"cannot write {path}: {error.strerror}; choose another place with --out") from error
    return path


def render_page(runs: Sequence[RunFolder]) -> str:
    """The page as text."""
    tallies = [{file.label: tally for file in run.episodes if (tally := Tally(file)).seen} for run in runs]
    sections = [
        {"number": number, **_section(run, {f.label: tally.get(f.label) or Tally(()) for f in run.episodes})}
        for number, (run, tally) in enumerate(zip(runs, tallies, strict=True))
    ]
    data = {
        "runs": [visible(clip(run.name, 80)) for run in runs],
        "endings": ENDINGS,
        "charts": charts.curves(runs, tallies),
        "selection": selection.charts(runs),
        "byTurn": charts.by_turn(tallies),
        "mixes": [charts.mixes(tally) for tally in tallies],
        "flows": [charts.flows(tally) for tally in tallies],
        **payload.episodes(tallies),
    }
    scripts = [files("rlef.report").joinpath(name).read_text(encoding="utf-8") for name in (*LIBRARIES, *SCRIPTS)]
    policy = "; ".join((
        "default-src 'none'", "img-src data:", "style-src 'unsafe-inline'", "base-uri 'none'", "form-action 'none'",
        f"script-src {' '.join(map(_hash, scripts))}",
    ))  # fmt: skip
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            runs=sections,
            data=Markup(as_json(data)),
            charts=data["charts"],
            selection=data["selection"],
            by_turn=data["byTurn"],
            has_verifier=any(section["verifier"] for section in sections),
            has_mixes=any(data["mixes"]),
            has_flows=any(data["flows"]),
            shown=len(data["episodes"]),
            seen=sum(tally.seen for by_label in tallies for tally in by_label.values()),
            policy=policy,
            scripts=[Markup(script) for script in scripts],  # ours and the libraries', not a run's
            style=Markup(files("rlef.report").joinpath("page.css").read_text(encoding="utf-8")),
        )
    )


def as_json(data: Any) -> str:
    """JSON that can stand in a <script type="application/json">: nothing in it can end the element or open one."""
    text = json.dumps(_finite(data), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _section(run: RunFolder, tally: dict[str, Tally]) -> dict[str, Any]:
    """What the template prints of one run."""
    about, unsolved, hardest, improved = rows.tasks({label: one for label, one in tally.items() if one.seen})
    return {
        "name": run.name,
        "cards": rows.cards(run),
        "metrics": rows.metrics(run),
        "counts": table.counts(run.result) if run.result else "",
        "kinds": rows.kinds(run),
        "verifier": _verifier(run),
        "about": about,
        "unsolved": unsolved,
        "hardest": hardest,
        "improved": improved,
        "hacking": rows.hacking({label: one for label, one in tally.items() if one.seen}),
        "health": rows.health(run, tally),
        "minutes": rows.flat(run.result.get("minutes")),
        "versions": rows.flat(run.result.get("versions")),
        "config": run.config,
    }


def _verifier(run: RunFolder) -> dict[str, Any]:
    """What the template prints of a verifier's result; nothing where there is none."""
    if not selection.found(run):
        return {}
    return {
        "cards": selection.cards(run), "selectors": selection.selectors(run), "rankings": selection.rankings(run),
        "counts": selection.counts(run),
    }  # fmt: skip


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("rlef.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clip"] = clip
    return environment


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
