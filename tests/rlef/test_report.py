"""The table, the curves and the page as text, with the content a hostile or broken run would leave behind."""

import json
import random
import re
from collections import Counter
from html.parser import HTMLParser
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rlef.errors import RlefError
from rlef.evaluation.metrics import outcomes_of, repair_rate, solved_final, solved_first
from rlef.report import curves, page, signals, table, texts
from rlef.report.reading import EpisodeFile, read_run
from rlef.report.tally import KEPT, Tally
from tests.rlef.report_runs import HOSTILE, RESULT, block, episode, hostile_run, make_run, make_vstar_run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


class Page(HTMLParser):
    """Collects tags with attributes, and checks that they nest."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.data = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.tags and self.tags[-1] == ("script", {"type": "application/json", "id": "data"}):
            self.data += data


def rendered(*folders):
    return page.render_page([read_run(folder) for folder in folders])


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


# ---------------------------------------------------------------- reading and counting


def test_broken_lines_are_left_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("rlef.report.reading.LONGEST_LINE", 20000)
    good = episode().to_json()
    path = tmp_path / "episodes.jsonl"
    bad = ["not json", "[]", episode(text="x" * 100_000).to_json(), "[" * 19000, '{"turns": 3}', '{"version": 1}',
           good.replace('"add"', "3"), good.replace('"public": [', '"public": 3, "x": ['), good[:40]]  # fmt: skip
    path.write_text("\n".join([good, *bad[:-1], good, good, bad[-1]]))
    file = EpisodeFile("training", path)
    assert [one.task for one in file] == ["add"] * 3
    assert file.skipped == len(bad)


def test_rates_are_those_of_the_metrics():
    rng = random.Random(0)
    episodes = [episode(f"t{rng.randrange(5)}", rng.choice(["+", "-+", "--+", "---", "-"]), step=rng.randrange(7),
                        sandbox_failure=rng.random() < 0.1) for _ in range(300)]  # fmt: skip
    whole, outcomes = Tally(episodes).stretch(), outcomes_of(episodes)
    assert whole.solved_by(1).mean == pytest.approx(solved_first(outcomes).mean)
    assert whole.solved_by(3).mean == pytest.approx(solved_final(outcomes).mean)
    assert whole.repair_rate().mean == pytest.approx(repair_rate(outcomes).mean)
    assert whole.lost == sum(one.sandbox_failure for one in episodes)


def test_stretches_cover_every_update_once():
    for steps in (1, 2, 7, 40, 41, 100):
        tally = Tally(episode(step=step) for step in range(steps))
        parts = tally.stretches(40)
        assert len(parts) <= 40
        assert sum(part.episodes for part in parts) == steps
        assert [part.first for part in parts[1:]] == [part.last + 1 for part in parts[:-1]]
        assert tally.stretch(0, 0.2).episodes >= 1
        assert tally.stretch(0.8, 1).last == steps


def test_the_sample_is_bounded_and_holds_every_way_to_end():
    common = [episode(f"task-{number}", "-", step=number // 10) for number in range(5000)]
    rare = [episode("rare", "--+"), episode("lost", sandbox_failure=True)]
    tally = Tally([*common, *rare])
    shown = tally.sample(50)
    assert sum(len(kept) for kept in tally._kept.values()) <= KEPT + 2
    assert {"rare", "lost"} <= {one.task for one in shown}
    assert len(shown) == KEPT + 2
    assert len(tally.sample(10)) == 10
    assert Tally([*common, *rare]).sample(50) == shown


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("print(7)", ["constant answer"]),
        ("print(input())", []),
        ("def f(): return 7", []),
        ("import os\nos._exit(0)", ["constant answer", "reaches out"]),
        ("class A:\n    def __eq__(self, other): return True\n", ["odd equality"]),
        ("try:\n    print(input())\nexcept Exception:\n    pass", ["swallows errors"]),
    ],
)
def test_signals(program, shown):
    assert signals.signals_of(episode(marks="+", text=program).turns[0]) == shown


def test_signal_of_a_program_fitted_to_the_examples():
    [turn] = episode(marks="p", text="print(input())").turns
    assert signals.signals_of(turn) == ["public only"]


# ---------------------------------------------------------------- texts


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.sampled_from(["python", "cpp", "klingon", ""]))
def test_colours_cover_the_program(program, language):
    shown = texts.visible(program)
    assert sum(texts.colours(shown, language)[::2]) == len(shown)


def test_colours_of_a_program():
    runs = texts.colours("x = 'a'  # b\n")
    classes = [texts.CLASSES[number] for number in runs[1::2]]
    assert {"string", "comment", "operator"} <= set(classes)


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_changes_turn_the_old_program_into_the_new_one(old, new):
    before, after = "\n".join(old), "\n".join(new)
    lines, result, at = before.split("\n"), [], 0
    for a, b, c, d in texts.changes(before, after):
        result += lines[at:a] + after.split("\n")[c:d]
        at = b
    assert "\n".join(result + lines[at:]) == after


def test_programs_of_absurd_length_are_not_compared():
    assert texts.changes("x\n" * 1000, "y\n" * 1000) is None
    assert texts.changes("x", "x") == []


# ---------------------------------------------------------------- page


def test_page_shows_the_run(run):
    path = page.write_report(run)
    html = path.read_text(encoding="utf-8")
    parsed = Page(html)
    assert not parsed.open
    for shown in ("50.0 % (47.0–53.0)", "+20.0 points", "18.2", "embedded", "sandbox failures, left out: 1 and 0"):
        assert shown in html
    data = json.loads(parsed.data)
    assert Counter(one["from"] for one in data["episodes"]) == {"training": 60, "warm start": 12, "trained": 12}
    assert {chart["id"] for chart in data["charts"]} >= {"solved", "held-out", "repair", "reward", "losses-approx_kl"}
    assert [stage["label"] for stage in data["flows"][0]] == [
        "warm start", "first fifth of training", "last fifth of training", "trained",
    ]  # fmt: skip
    assert sorted(file.name for file in run.iterdir() if file.suffix in (".html", ".part")) == ["report.html"]


def test_several_runs_share_the_charts(run, tmp_path):
    other = make_run(tmp_path / "other")
    path = page.write_report(run, other, out=tmp_path / "both.html")
    data = json.loads(Page(path.read_text(encoding="utf-8")).data)
    assert data["runs"] == ["run", "other"]
    assert {one["run"] for one in data["charts"][0]["series"]} == {0, 1}
    with pytest.raises(RlefError, match="named twice"):
        page.write_report(run, tmp_path / "other" / ".." / "run")
    with pytest.raises(RlefError, match="--out"):
        page.write_report(run, out=tmp_path / "nowhere" / "report.html")


def test_page_asks_for_nothing_and_runs_its_own_scripts_only(run):
    html = rendered(run)
    [policy] = [tag[1]["content"] for tag in Page(html).tags if tag[1].get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not re.search("unsafe-eval|script-src[^;]*unsafe", policy)
    assert not re.search(r"url\(|@import|sourceMappingURL", html)
    for tag, attributes in Page(html).tags:
        assert tag not in ("iframe", "object", "embed", "base", "img")
        assert not [name for name in attributes if name.startswith("on")]
        assert "src" not in attributes
        assert re.match("data:|#", str(attributes.get("href", "#")))


def test_hostile_content_is_text(run):
    html = rendered(hostile_run(run))
    tags = Page(html).tags
    assert Counter(tag for tag, _ in tags)["script"] == 1 + len(page.LIBRARIES) + len(page.SCRIPTS)
    assert "img" not in {tag for tag, _ in tags}
    ours = html
    for name in page.LIBRARIES:  # their sources hold what they hold
        ours = ours.replace((page.files("rlef.report") / name).read_text(encoding="utf-8"), "")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", ours)
    expected = (
        "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\"></pre></details>"
        "<!--{{ 7 * 7 }} ␛[31mred␛[0m ␀\\x9b \\u202egnp.exe \\ud800 ␇ ␍ &lt; ünïcode"
    )
    assert expected in json.loads(Page(html).data)["texts"]


def test_json_cannot_leave_its_element():
    """The control is plain JSON, which does."""
    assert "</script>" in json.dumps(HOSTILE)
    assert not re.search("[<>&]", page.as_json(HOSTILE))
    assert json.loads(page.as_json({"a": [float("nan"), 1.5]})) == {"a": [None, 1.5]}


def test_huge_files_give_a_small_page(run):
    line = episode("name", "--+", "a" * 6000).to_json()
    with (run / "episodes.jsonl").open("w") as file:
        for number in range(1500):
            file.write(line.replace('"name"', f'"task-{number}"').replace("aaaa", f"{number:04}") + "\n")
    assert (run / "episodes.jsonl").stat().st_size > 50_000_000
    html = rendered(run)
    assert len(html) < 6_000_000
    assert "of 1524 episodes" in html


def test_huge_texts_are_cut_in_the_middle(run):
    (run / "episodes.jsonl").write_text(episode(text="a" * 300_000 + "Z" * 10).to_json() + "\n")
    html = rendered(run)
    assert len(html) < 900_000
    assert "characters left out" in html
    assert "ZZZZZZZZZZ" in html


@pytest.mark.parametrize("missing", ["result.json", "metrics.jsonl", "episodes.jsonl", "config.toml", "evaluation"])
def test_page_of_a_run_that_is_not_finished(run, missing):
    (run / missing).rename(run / "elsewhere")
    assert not Page(rendered(run)).open


def test_page_shows_what_was_won_and_lost_by_kind(run):
    html = rendered(run)
    words, sums = html.index(">words<"), html.index(">sums<")
    assert words < sums  # most gained first
    row = html[sums : html.index("</tr>", sums)]
    for cell in ("40", "50.0 % (47.0–53.0)", "25.0 % (22.0–28.0)", "-25.0 points (-28.0 to -22.0)"):
        assert cell in row


@pytest.mark.parametrize(
    "broken", [[], "x", {"a": 1}, {"a": {}}, {"a": {"difference": 3}}, {HOSTILE: {"tasks": HOSTILE}}]
)
def test_page_with_a_broken_block_of_kinds(run, broken):
    (run / "result.json").write_text(json.dumps({**RESULT, "by_kind": broken}))
    html = rendered(run)
    assert not Page(html).open
    assert "<img src=x" not in html


def test_page_of_an_evaluation(tmp_path):
    folder = tmp_path / "eval"
    folder.mkdir()
    counts = {"tasks": 3, "rollouts_per_task": 1, "sandbox_failures": 0}
    numbers = {"solved_first": block(0.2), "solved_1@3": block(0.4), "metrics": {"pass@1": block(0.11)}}
    kinds = {"sums": {"tasks": 2, "evaluation": block(0.33)}, "words": {"tasks": 1, "evaluation": block(0.66)}}
    result = {"model": "m", "suite": "starter", "split": "test", **counts, **numbers, "by_kind": kinds}
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "episodes.jsonl").write_text("".join(episode(f"t{i}", "-+").to_json() + "\n" for i in range(3)))
    html = rendered(folder)
    assert "40.0 % (37.0–43.0)" in html
    assert "11.0 % (8.0–14.0)" in html
    assert html.index("66.0 % (63.0–69.0)") < html.index("33.0 % (30.0–36.0)")
    assert "3 tasks × 1 rollouts" in html
    assert {one["from"] for one in json.loads(Page(html).data)["episodes"]} == {"evaluation"}


def test_page_of_a_verifier(tmp_path):
    folder = make_vstar_run(tmp_path / "vstar")
    html = rendered(folder)
    parsed = Page(html)
    assert not parsed.open
    data = json.loads(parsed.data)
    [chart] = data["selection"]
    curves = {series["label"]: series["points"] for series in chart["series"]}
    assert list(curves) == [
        "verifier",
        "public tests, then verifier",
        "majority of outputs",
        "random",
        "oracle (pass@k)",
    ]
    assert [point[0] for point in curves["verifier"]] == [1, 2, 4, 8, 16]
    for point, best in zip(curves["verifier"], curves["oracle (pass@k)"], strict=True):
        assert point == pytest.approx(best)  # it knows what is right
    assert curves["verifier"][3][2] <= curves["verifier"][3][1] <= curves["verifier"][3][3]
    found = json.loads((folder / "result.json").read_text())
    best, first = found["best_of_k"]["verifier"]["8"], found["pass@1"]
    for shown in (table.interval(best), f"{100 * first['mean']:.1f} %", "wrong one: wrong answer", "correct is shorter",
                  "rank correlation with length", "20 tasks, 320 candidates"):  # fmt: skip
        assert shown in html
    assert "No result yet" not in html
    assert {one["from"] for one in data["episodes"]} == {"candidates"}


def test_page_of_an_evaluation_in_which_a_verifier_chose(run, tmp_path):
    found = json.loads((make_vstar_run(tmp_path / "vstar") / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({"model": "m", "split": "test", "selection": found}))
    both = json.loads(Page(rendered(run, tmp_path / "vstar")).data)["selection"]
    assert [chart["id"] for chart in both] == ["selection-0", "selection-1"]
    (run / "result.json").write_text(json.dumps(RESULT))
    html = rendered(run)
    assert 'id="verifier"' not in html
    assert json.loads(Page(html).data)["selection"] == []


def test_a_hostile_verifier_is_text_and_what_is_no_number_a_dash(tmp_path):
    folder = make_vstar_run(tmp_path / "vstar", HOSTILE)
    found = json.loads((folder / "result.json").read_text())
    found["best_of_k"][HOSTILE] = HOSTILE
    found["best_of_k"]["verifier"] |= {"2": HOSTILE, "x": block(1), "4": {"mean": "1", "low": True}, "9" * 9: block(1)}
    found["scorers"] |= {HOSTILE: {"auc": HOSTILE, "auc_by": 3, "calibration": []}, "text": HOSTILE}
    found |= {"tasks": HOSTILE, "verifier_minus_other_at_8": HOSTILE}
    (folder / "result.json").write_text(json.dumps(found))
    html = rendered(folder)
    tags = Page(html).tags
    assert Counter(tag for tag, _ in tags)["script"] == 1 + len(page.LIBRARIES) + len(page.SCRIPTS)
    assert "img" not in {tag for tag, _ in tags}
    assert html.count("&lt;script&gt;document.title") >= 3  # a selector, a score, a kind of failure
    [chart] = json.loads(Page(html).data)["selection"]
    assert [point[0] for point in chart["series"][0]["points"]] == [1, 8, 16]
    for broken in (3, [], {"best_of_k": 3}, {"best_of_k": {}}, {"best_of_k": {"verifier": 3}, "scorers": 3, "k": []}):
        (folder / "result.json").write_text(json.dumps({"selection": broken}))
        assert not Page(rendered(folder)).open


def test_a_folder_that_is_no_run_and_a_broken_result(run, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RlefError, match="rlef train"):
        page.write_report(empty)
    (run / "result.json").write_text("{")
    with pytest.raises(RlefError, match=r"result\.json is not JSON"):
        page.write_report(run)
