"""Kattis packages: settings, groups, validators, statements, and packages that are out to do harm."""

import zipfile

import pytest

from sandbox import Program
from tasks import Group, TaskError, Verdict, judge, load_suite
from tasks.formats.kattis import read
from tasks.formats.kattis_package import plain_html, plain_tex
from tasks.judge import group_credit, test_credit

SUM = {
    "problem.yaml": "type: scoring\nsource: me\nvalidator_flags: float_tolerance 1e-4\n",
    "problem_statement/problem.sv.tex": "\\problemname{Summa}",
    "problem_statement/problem.en.tex": "\\problemname{Sum}\nAdd $a \\le 10$ % secret note\n"
    "\\begin{figure}[h]\\includegraphics[width=7cm]{x.png}\\end{figure}\n\\section*{Input}\nTwo.",
    "data/testdata.yaml": "on_reject: continue\nrange: 0 100\ngrader_flags: ignore_sample",
    "data/secret/testdata.yaml": "accept_score: 40\ngrader_flags: first_error accept_if_any_accepted",
    "data/secret/g1/testdata.yaml": "grader_flags: min",
    "data/secret/g2/testdata.yaml": "accept_score: 60\nrange: 0 60\ngrader_flags: min",
    "data/secret/g3/testdata.yaml": "accept_score: 1\ngrader_flags: min",
    "data/secret/g4/testdata.yaml": "accept_score: 10\nrange: 0 20",
    **{f"data/{place}.in": f"{text}\n" for place, text in {
        "sample/1": "1 2", "secret/g1/a": "1 2", "secret/g1/b": "3 4", "secret/g2/b": "3 4", "secret/g2/c": "5 6",
        "secret/g4/b": "3 4", "secret/g4/d": "0 9"}.items()},
    **{f"data/{place}.ans": f"{text}\n" for place, text in {
        "sample/1": "3", "secret/g1/a": "3", "secret/g1/b": "7", "secret/g2/b": "7", "secret/g2/c": "11",
        "secret/g4/b": "7", "secret/g4/d": "9"}.items()},
}  # fmt: skip


def package(folder, files, **changes):
    for name, text in {**files, **changes}.items():
        if text is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return folder


def changed(**more):
    return {**SUM, **more}


def test_groups_share_tests_and_inherit_settings(tmp_path, box):
    [task] = read(package(tmp_path / "sum", SUM))
    assert (task.key, task.metadata["title"], task.checker) == ("sum", "Sum", "kattis float_tolerance 1e-4")
    assert [test.input for test in task.private_tests] == ["3 4\n", "5 6\n", "0 9\n"], "unique, and no sample"
    assert task.groups == (
        Group("g1", 40, (0,)), Group("g2", 60, (0, 1)), Group("g4", 10, (0, 2), per_test=True),
    )  # fmt: skip
    assert task.metadata["groups_without_tests"] == ["g3"]
    part = Program("a, b = map(int, input().split())\nprint(a + b if a < 5 else 0)")
    report = judge(task, part, box)
    assert test_credit(task, report) == pytest.approx(2 / 3)
    assert group_credit(task, report) == pytest.approx((40 + 20) / 120)


def test_statements_lose_their_markup():
    assert plain_tex(SUM["problem_statement/problem.en.tex"]).split() == [
        "Sum",
        "Add",
        "$a",
        "\\le",
        "10$",
        "Input",
        "Two.",
    ]
    page = "<style>p {}</style><script>x()</script><h3>Input</h3><p>At most $$$10^{5}$$$ or 10<sup>9</sup> &lt; x</p>"
    assert plain_html(page).split() == ["Input", "At", "most", "$10^{5}$", "or", "10^9", "<", "x"]


def test_googles_archive(tmp_path, box):
    files = {
        "problem.yaml": "name: Output: Part 1\ntype: scoring\noutput_validator_flags: float_tolerance 1e-6\n",
        "problem_statement/problem.html": "<p>Add.</p>",
        "data/sample/1.in": "1\n1 1\n", "data/sample/1.ans": "Case #1: 2\n",
        "data/secret/subtask1/1.in": "3\n1 2\n3 4\n1000000000 1\n",
        "data/secret/subtask1/1.ans": "Case #1: 3\nCase #2: 7\nCase #3: 1000000001\n",
        "data/secret/subtask1/testdata.yaml": "accept_score: 9\nrange: 0 9",
    }  # fmt: skip
    [task] = read(package(tmp_path / "p", files))
    assert task.metadata["title"] == "Output: Part 1", "no valid YAML, but clear enough"
    body = "for k in range(int(input())):\n    a, b = map(int, input().split())\n    print(f'Case #{k + 1}: {%s}')"
    right, near = (judge(task, Program(body % text), box) for text in ("a + b", "a + b + (a > 9)"))
    assert right.passed
    assert near.private[0].verdict is Verdict.WRONG_ANSWER, "a large integer is right or wrong, whatever the tolerance"
    assert near.private[0].share == pytest.approx(2 / 3)


DIFFERENT = "import sys\nline = sys.stdin.readline()\nbig = max(map(int, open(sys.argv[1]).read().split()))\n" \
            "sys.exit(42 if line.strip().isdigit() and int(line) > big else 43)\n"  # fmt: skip


def test_own_validator_runs_in_its_own_slot(tmp_path, box):
    files = {**changed(**{"problem.yaml": "validation: custom\n"}), "output_validators/v.py": DIFFERENT}
    [task] = read(package(tmp_path / "p", files))
    assert task.special_judge is not None
    assert task.groups == ()
    larger = Program("print(sum(map(int, input().split())) + 1)")
    assert judge(task, larger, box).passed
    assert judge(task, Program("print(0)"), box).verdict is Verdict.WRONG_ANSWER


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"problem.yaml": "validation: custom\n"}, "its own output validator is not here"),
        ({"problem.yaml": "validation: custom interactive\n"}, "interactive"),
        ({"problem.yaml": "problem_format_version: 2023-07-draft\ntype: interactive\nname:\n  en: G\n"}, "interactive"),
        ({"output_validators/a.cpp": "x", "output_validators/b.h": "y"}, "more than one Python or C++ file"),
    ],
)
def test_what_cannot_be_judged_is_marked(tmp_path, change, reason):
    [task] = load_suite(package(tmp_path / "p", {**SUM, **change}))["unscored"]
    assert reason in task.metadata["unscored"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"problem.yaml": "a: [1"}, r"file problem\.yaml: not YAML"),
        ({"problem.yaml": "- 1"}, r"file problem\.yaml: a YAML list"),
        ({"problem.yaml": "a: &x [1]\nb: *x"}, "anchors"),
        ({"problem.yaml": "!!python/object/apply:os.system ['touch mark']"}, "not YAML"),
        ({"problem.yaml": "x: " + "[" * 5000}, "not YAML"),
        ({"problem.yaml": "validator_flags: fuzzy"}, 'unknown validator flag "fuzzy"'),
        ({"data/secret/g1/b.ans": None}, r"file data/secret/g1/b\.ans: missing"),
        ({"data/secret/g2/b.ans": "8\n"}, "another test has this input and another answer"),
        (
            {"problem_statement/problem.sv.tex": None, "problem_statement/problem.en.tex": None},
            "file problem_statement",
        ),
    ],
)
def test_broken_packages_are_reported_and_the_others_read(tmp_path, change, problem):
    package(tmp_path / "bad", {**SUM, **change})
    package(tmp_path / "good", SUM)
    problems = []
    assert [task.key for task in read(tmp_path, problems.append)] == ["good"]
    [said] = problems
    assert said.startswith(f"{tmp_path / 'bad'}: ")
    with pytest.raises(TaskError, match=problem):
        list(read(tmp_path / "bad"))


def test_links_out_of_a_package_are_refused(tmp_path):
    folder = package(tmp_path / "p", changed(**{"data/secret/g1/b.in": None}))
    (tmp_path / "host").write_text("the host's own file")
    (folder / "data/secret/g1/b.in").symlink_to(tmp_path / "host")
    with pytest.raises(TaskError, match="a link that leads out of the package"):
        list(read(folder))
    (folder / "data/secret/g1/b.in").unlink()
    (folder / "data/secret/g1/b.in").symlink_to(folder / "data/secret/g2/b.in")
    assert len(list(read(folder))) == 1, "groups share tests by links within the package"


def packed(path, files, **more):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, **more}.items():
            archive.writestr(name, text)
    return path


def test_zips_are_read_without_unpacking(tmp_path):
    [task] = read(packed(tmp_path / "a.zip", {f"sum/{name}": text for name, text in SUM.items()}))
    [same] = read(package(tmp_path / "sum", SUM))
    assert task == same
    assert load_suite(tmp_path / "a.zip")["train"][0] == task


def test_damaged_zips(tmp_path):
    whole = packed(tmp_path / "a.zip", SUM).read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:-30])
    with pytest.raises(TaskError, match=r"a\.zip: File is not a zip file"):
        list(read(tmp_path / "a.zip"))
    (tmp_path / "a.zip").write_bytes(whole.replace(b"source: me", b"source: ny"))
    with pytest.raises(TaskError, match=r"file problem\.yaml: cannot be read \(Bad CRC.*pack it again"):
        list(read(tmp_path / "a.zip"))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil"])
def test_zip_slip(tmp_path, name):
    with pytest.raises(TaskError, match="leads out of the package"):
        list(read(packed(tmp_path / "a.zip", SUM, **{name: "x"})))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_a_zip_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.formats.kattis.MAX_FILE", 1 << 20)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in changed(**{"data/secret/g1/b.in": "1" * (64 << 20)}).items():
            archive.writestr(name, text)
    with pytest.raises(TaskError, match=r"file data/secret/g1/b\.in: more than 1048576 bytes"):
        list(read(tmp_path / "a.zip"))
