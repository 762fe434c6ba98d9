"""The table, the curves and the page, with the content a hostile or broken run would leave behind."""

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from io import StringIO

import pytest
from rich.console import Console

from rlef.errors import RlefError
from rlef.report import curves, page, sample, table


def block(mean):
    return {"mean": mean, "low": mean - 0.03, "high": mean + 0.03}


RESULT = {
    "suite": "starter",
    "split": "test",
    "warm_start": {
        "solved_first": block(0.25), "solved_1@3": block(0.3), "repair_rate": block(0.05),
        "sandbox_failures": 1, "tasks": 100, "rollouts_per_task": 4,
    },
    "trained": {
        "solved_first": block(0.4), "solved_1@3": block(0.5), "repair_rate": block(0.2),
        "sandbox_failures": 0, "tasks": 100, "rollouts_per_task": 4,
    },
    "difference_1@3": {**block(0.2), "p_value": 0.0004},
    "ratio_1@3": block(1.67),
    "minutes": {"training": 18.25},
    "versions": {"torch": "2.13.0"},
}  # fmt: skip

HOSTILE = (
    "<script>document.title = 'owned'</script><img src=x onerror=alert(1)></pre></details>"
    "{{ 7 * 7 }} \x1b[31mred\x1b[0m \x00\x9b \u202egnp.exe \ud800 \x07 \r &lt; ünïcode"
)


def episode(task="add", marks="-+", text="print(1)", **more):
    turns = [
        {
            "observation": f"say {text}",
            "response": f"```python\n{text}\n```",
            "program": text,
            "public": ["accepted" if mark == "+" else "wrong_answer"],
            "private": ["accepted"] if mark == "+" else None,
            "reward": 1.0 if mark == "+" else 0.0,
        }
        for mark in marks
    ]
    return {"task": task, "seed": 0, "turns": turns, "passed": marks.endswith("+"), "sandbox_failure": False, **more}


def metric_rows(steps=30):
    for step in range(steps):
        yield {"step": step, "rollout/reward": step / 30 - 1, "rollout/solved_first": 0.3, "losses/approx_kl": 0.01}
    yield {"step": steps, "rollout/reward": float("nan"), "eval/solved_final": 0.5, "something/new": "text"}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(RESULT))
    (folder / "config.toml").write_text('model = "embedded"\n')
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metric_rows()))
    episodes = [episode(f"task-{i}", ["-", "-+", "+"][i % 3]) for i in range(60)]
    (folder / "episodes.jsonl").write_text("".join(json.dumps(one) + "\n" for one in episodes))
    return folder


class Page(HTMLParser):
    """Collects tags with attributes, and the text of <pre>."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.pres, self.open, self.inside = [], [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)
        if tag == "pre":
            self.pres.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "pre":
            self.pres[-1] += data


# ---------------------------------------------------------------- table


def test_table_in_the_terminal_and_in_markdown():
    text = StringIO()
    Console(file=text, width=140).print(table.result_table(RESULT))
    markdown = table.markdown_table(RESULT)
    for shown in (text.getvalue(), markdown):
        assert "solved (1@3)" in shown
        assert "50.0 % (47.0–53.0)" in shown
        assert "+20.0 points (+17.0 to +23.0), 1.67 ×, p < 0.001" in shown
        assert "100 tasks × 4 rollouts" in " ".join(shown.split())
    assert len({line.count("|") for line in markdown.splitlines()[:5]}) == 1


def test_half_a_result_shows_dashes():
    assert table.rows({}) == [
        table.Row("solved at the first attempt", "–", "–", ""),
        table.Row("solved (1@3)", "–", "–", "–"),
        table.Row("repaired after feedback", "–", "–", ""),
    ]
    infinite = {**RESULT, "ratio_1@3": {"mean": None, "low": None, "high": None}}
    assert "×" not in table.rows(infinite)[1].change
    assert table.rows({"trained": {"solved_1@5": block(0.5)}})[1].name == "solved (1@5)"


def test_suite_names_are_not_markup():
    text = StringIO()
    Console(file=text, width=140).print(table.result_table({**RESULT, "suite": "[bold]x[/nope]"}))
    assert "[bold]x[/nope]" in text.getvalue()


# ---------------------------------------------------------------- curves


def test_curves_are_a_picture(run):
    path = curves.draw_curves(run)
    assert path == run / "curves.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_nothing_logged_draws_nothing(tmp_path):
    assert curves.draw_curves(tmp_path) is None
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "unknown": 2}\n')
    assert curves.draw_curves(tmp_path) is None


def test_metrics_of_a_resumed_and_a_killed_run():
    lines = ['{"step": 2, "a": 1}', '{"step": 1, "a": 5}', '{"step": 2, "a": 3, "b": 1}']
    lines += ["[]", '{"a": 1}', '{"step": 3, "a']
    assert curves.read_metrics(lines) == [{"step": 1, "a": 5}, {"step": 2, "a": 3, "b": 1}]


# ---------------------------------------------------------------- episodes


def test_first_and_last_fifth_of_a_long_file(tmp_path):
    path = tmp_path / "episodes.jsonl"
    with path.open("w") as file:
        for number in range(1000):
            file.write(json.dumps(episode(f"task-{number:04}", "+" if number >= 500 else "-")) + "\n")
    early, late = sample.sample_episodes(path)
    # Lines of the two halves differ in length, so a fifth of the bytes is near, not at, a fifth of the lines.
    assert 180 < early.episodes < 220
    assert 180 < late.episodes < 220
    assert early.kinds == {"not solved": early.episodes}
    assert late.endings == {"accepted": late.episodes}
    assert len(late.shown["solved at the first attempt"]) == 2
    assert sample.sample_episodes(path)[0].shown == early.shown


def test_stretches_meet_without_gap_or_overlap(tmp_path):
    path = tmp_path / "episodes.jsonl"
    path.write_text("".join(f'{{"task": {n}}}\n' for n in range(100)))
    size = path.stat().st_size
    with path.open("rb") as file:
        for cut in range(0, size, 7):
            halves = [*sample._episodes(file, 0, cut), *sample._episodes(file, cut, size)]
            assert [one["task"] for one in halves] == list(range(100))


def test_broken_lines_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "LONGEST_LINE", 20000)
    path = tmp_path / "episodes.jsonl"
    good = json.dumps(episode())
    long = json.dumps(episode(text="x" * 100000))
    deep = "[" * 19000
    lines = [good, "not json", "[]", long, deep, '{"turns": 3}', '{"turns": [null, {}]}', good, good[:40]]
    path.write_text("\n".join(lines))
    [part] = sample.sample_episodes(path)
    assert part.kinds == {"repaired": 2, "not solved": 2}
    assert part.endings["no turn"] == 1
    assert part.endings["no program in the answer"] == 1


def test_sandbox_failures_are_a_kind_of_their_own():
    assert sample.kind_of(episode(sandbox_failure=True)) == "sandbox failure"


# ---------------------------------------------------------------- page


def test_page_shows_the_run(run):
    path = page.write_report(run)
    html = path.read_text(encoding="utf-8")
    parsed = Page(html)
    assert not parsed.open
    assert "50.0 % (47.0–53.0)" in html
    assert "18.2" in html
    assert "embedded" in html
    assert "first fifth of training" in html
    assert sum(tag == "details" for tag, _ in parsed.tags) == 13
    assert "print(1)" in parsed.pres
    assert sorted(file.name for file in run.iterdir() if file.suffix in (".html", ".part")) == ["report.html"]


def test_page_asks_for_nothing_and_runs_nothing(run):
    html = page.render_page(run)
    assert "default-src 'none'" in html
    assert not re.search(r"https?://|url\(|@import", html)
    for tag, attributes in Page(html).tags:
        assert tag not in ("script", "iframe", "object", "embed", "form", "base")
        assert not [name for name in attributes if name.startswith("on")]
        assert str(attributes.get("src", "data:")).startswith("data:")
        assert str(attributes.get("href", "data:")).startswith("data:")


def hostile_run(run):
    (run / "episodes.jsonl").write_text(json.dumps(episode(HOSTILE, "-+", HOSTILE)) + "\n")
    (run / "config.toml").write_bytes(b"model = '<script>\xff\x1b[2J'\n")
    result = {**RESULT, "suite": HOSTILE, "versions": {HOSTILE: HOSTILE}, "minutes": "<script>"}
    (run / "result.json").write_text(json.dumps(result))
    (run / "metrics.jsonl").write_text(json.dumps({"step": 1, "rollout/reward": HOSTILE}) + "\n")
    return run


def test_hostile_content_is_text(run):
    html = page.write_report(hostile_run(run)).read_text(encoding="utf-8")
    parsed = Page(html)
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert "img" not in {tag for tag, _ in parsed.tags}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", html)
    expected = (
        "<script>document.title = 'owned'</script><img src=x onerror=alert(1)></pre></details>"
        "{{ 7 * 7 }} ␛[31mred␛[0m ␀\\x9b \\u202egnp.exe \\ud800 ␇ ␍ &lt; ünïcode"
    )
    assert expected in parsed.pres


def test_huge_texts_are_cut_in_the_middle(run):
    (run / "episodes.jsonl").write_text(json.dumps(episode(text="a" * 300_000 + "Z" * 10)) + "\n")
    html = page.render_page(run)
    assert len(html) < 600_000
    assert "characters left out" in html
    assert "ZZZZZZZZZZ" in html


@pytest.mark.parametrize("missing", ["result.json", "metrics.jsonl", "episodes.jsonl", "config.toml"])
def test_page_of_a_run_that_is_not_finished(run, missing):
    (run / missing).unlink()
    assert not Page(page.render_page(run)).open


def test_a_folder_that_is_no_run_and_a_broken_result(run, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RlefError, match="rlef train"):
        page.write_report(empty)
    (run / "result.json").write_text("{")
    with pytest.raises(RlefError, match=r"result\.json is not JSON"):
        page.write_report(run)


def test_chromium_shows_it_and_runs_nothing(run, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium on this machine; Debian's package is called chromium")
    path = page.write_report(hostile_run(run))
    picture = tmp_path / "page.png"
    common = [browser, "--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'profile'}"]
    if os.geteuid() == 0:
        common.append("--no-sandbox")
    dom = subprocess.run([*common, "--dump-dom", path.as_uri()], capture_output=True, timeout=120, check=True).stdout
    assert b"<title>RLEF run run</title>" in dom
    assert b"<script" not in dom
    subprocess.run(
        [*common, "--window-size=390,2000", f"--screenshot={picture}", path.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    assert picture.read_bytes().startswith(b"\x89PNG")
