"""Contest formats: every peculiarity of the published files, each on a small file of our own."""

import base64
import json
import pickle
import time
import zlib
from pathlib import Path

import pytest

from sandbox import Program
from tasks import CallTest, StdioTest, TaskError, judge, load_suite
from tasks.formats import apps, code_contests, livecodebench
from tasks.formats.comparing import checker_for, tolerance
from tasks.formats.splitting import several_answers, split_tests

STATEMENT = "Add.\n\nExamples\n\nInput\n\n1 2\n\nOutput\n\n3\n\nInput\n\n2 2\n\nOutput\n\n4\n"


def write(path, *given):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    return path


def stdio(*pairs):
    return tuple(StdioTest(f"{a}\n", f"{b}\n") for a, b in pairs)


# Public and private where a file does not say


def test_examples_in_the_statement_are_public():
    tests = stdio(("1 2", 3), ("5 5", 10), ("2  2", 4), ("2 1", 3))
    assert split_tests(STATEMENT, tests) == ((tests[0], tests[2]), (tests[1], tests[3]))
    assert split_tests("No example.", tests) == (tests[:1], tests[1:])
    assert split_tests("No example.", tests[:1]) == ((), tests[:1])
    assert split_tests(STATEMENT, [*tests, tests[1]])[1] == (tests[1], tests[3]), "a repeated test counts once"


def test_examples_of_calls_are_found():
    tests = (CallTest(([2, 3, 4], 5), 9), CallTest(([1], 2), 3), CallTest(([7], 7), True))
    shown = "Example:\nInput: arr = [2,3,4], k = 5\nOutput: 9"
    assert split_tests(shown, tests) == (tests[:1], tests[1:])
    huge = CallTest((10**5000,), 1)
    assert split_tests("none", [huge, *tests])[1][0] == huge, "feedback could not write it out"


@pytest.mark.parametrize(
    ("statement", "several"),
    [
        ("If there are several solutions, print any of them.", True),
        ("You can return the answer in any order.", True),
        ("If there are multiple answers, output any.", True),
        ("Any valid answer will be accepted.", True),
        ("The answer is not unique.", True),
        ("If there are several options for x, output the smallest.", False),
        ("You can print each letter in any case.", False),
        ("Print the number of edges; there is no need for any other output.", False),
        ("You may choose any vertex first. Print one number.", False),
    ],
)
def test_several_right_answers_are_detected(statement, several):
    assert several_answers(statement) is several


@pytest.mark.parametrize(
    ("statement", "outputs", "spec"),
    [
        ("Print the sum.", ["3"], "kattis case_sensitive"),
        ("Print Yes or No.", ["Yes", "No"], "kattis"),
        ("Print the word in any case.", ["abc"], "kattis"),
        ("Absolute or relative error of at most 10^{-4}.", ["0.5"], "kattis case_sensitive float_tolerance 1e-4"),
        (
            "its relative or absolute error does not exceed 10 - 9",
            ["0.5"],
            "kattis case_sensitive float_tolerance 1e-9",
        ),
    ],
)
def test_comparison_is_read_off_the_statement(statement, outputs, spec):
    assert checker_for(statement, [StdioTest("", text) for text in outputs]) == spec
    assert tolerance("an error of at most 0.00001") == "1e-5"


@pytest.mark.parametrize("unit", ["print ", "1 2 ", "\n ", "any ", "f(1) ", "10 - "])
def test_hostile_statements_cost_little(unit):
    statement, start = unit * (4_000_000 // len(unit)), time.process_time()
    several_answers(statement)
    split_tests(statement, [*stdio(("1", 9), ("1 2", 7)), StdioTest("1", "9 " * 100_000)])
    checker_for(statement, [])
    assert time.process_time() - start < 10


# CodeContests

CC = {
    "name": "1_A. Sum", "description": STATEMENT, "source": 2, "difficulty": 7,
    "public_tests": {"input": ["1 2"], "output": ["3"]},
    "private_tests": {"input": ["1 2\n", "4 4", "4 4"], "output": ["3\n", "8", "8"]},
    "generated_tests": {"input": ["7 7"], "output": ["14"], "is_valid_test": None},
    "time_limit": {"seconds": 2, "nanos": 500_000_000}, "memory_limit_bytes": 256_000_000,
    "solutions": {"language": [2, 3, 1], "solution": ["int main(){}", "print(3)\r\n", "print 3"]},
    "incorrect_solutions": {"language": [3], "solution": ["print(4)"]},
}  # fmt: skip


def test_code_contests_tests_are_parallel_lists(tmp_path):
    [task] = code_contests.read(write(tmp_path / "code_contests_train.jsonl", CC))
    assert task.public_tests == stdio(("1 2", 3))
    assert task.private_tests == stdio(("4 4", 8), ("7 7", 14)), "repeated and public ones count once; newlines added"
    assert task.limits.cpu_s == 7.5
    assert task.references == (Program("print(3)\n"), Program("int main(){}", "cpp")), "Python first; no Python 2"
    assert task.mutants == (Program("print(4)"),)
    assert task.metadata["source"] == "codeforces"
    assert task.metadata["split"] == "train"
    assert "unscored" not in task.metadata


@pytest.mark.parametrize(
    "tests", [[{"input": "4 4", "output": "8"}], {"inputs": ["4 4"], "outputs": ["8"]}], ids=["pairs", "inputs"]
)
def test_code_contests_other_carriers(tmp_path, tests):
    row = {**CC, "private_tests": tests, "generated_tests": {"input": [], "output": []}, "time_limit": None}
    [task] = code_contests.read(write(tmp_path / "x", row))
    assert task.private_tests == stdio(("4 4", 8))
    assert task.limits.cpu_s == 10


def test_code_contests_one_indented_object(tmp_path):
    path = tmp_path / "my_problem.json"
    path.write_text(
        json.dumps({k: CC[k] for k in ("name", "description", "public_tests", "generated_tests")}, indent=2)
    )
    [task] = code_contests.read(path)
    assert task.private_tests == stdio(("7 7", 14))


def test_one_input_with_two_outputs_means_several_answers(tmp_path):
    row = {**CC, "private_tests": {"input": ["1 2", "4 4"], "output": ["2 1", "8"]}}
    suite = load_suite(write(tmp_path / "x.jsonl", row))
    assert list(suite.splits) == ["unscored"]
    assert "different outputs" in suite["unscored"][0].metadata["unscored"]


def test_sandbox_fusion_rows_are_split(tmp_path):
    tests = [{"input": {"stdin": a}, "output": {"stdout": b}} for a, b in (("1 2\n", "3\n"), ("9 9\n", "18\n"))]
    row = {"content": STATEMENT, "id": 4, "labels": '{"name": "a3"}', "test": json.dumps(tests)}
    [task] = code_contests.read(write(tmp_path / "x", row))
    assert (task.key, task.public_tests, task.private_tests) == ("a3", stdio(("1 2", 3)), stdio(("9 9", 18)))


# APPS


def apps_row(given, **more):
    return {"problem_id": 7, "question": "Add.", "solutions": "", "starter_code": "", "input_output": given, **more}


def test_apps_fields_are_json_texts_that_may_be_empty(tmp_path):
    good = apps_row(json.dumps({"inputs": ["1\n", ["2", "3"]], "outputs": ["1\n", ["2", "3"]]}))
    problems = []
    tasks = list(apps.read(write(tmp_path / "x", good, apps_row("", problem_id=8)), problems.append))
    assert [task.key for task in tasks] == ["7"]
    assert tasks[0].private_tests == (StdioTest("2\n3\n", "2\n3\n"),), "a list of lines is a text"
    assert "row 2: field input_output: holds no test" in problems[0]


def test_apps_calls_accept_a_value_with_or_without_a_list_around_it(tmp_path, box):
    given = {"fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [[3], [7]]}
    starter = "class Solution:\n    def add(self, a: int, b: int) -> int:\n"
    [task] = apps.read(write(tmp_path / "x", apps_row(json.dumps(given), starter_code=starter, tags="['math', 'dp']")))
    assert task.entry_point == "Solution.add"
    assert task.metadata["tags"] == ["math", "dp"]
    assert starter.strip() in task.statement
    for value, verdict in {"a + b": "accepted", "[a + b]": "accepted", "a": "wrong_answer"}.items():
        program = Program(f"class Solution:\n    def add(self, a: List[int], b):\n        return {value}\n")
        assert judge(task, program, box).verdict == verdict


def test_apps_numbers_of_any_length(tmp_path, box):
    given = f'{{"fn_name": "f", "inputs": [[1], [2]], "outputs": [1, {"9" * 6000}]}}'
    with pytest.raises(ValueError, match="limit"):
        json.loads(given)  # the control
    [task] = apps.read(write(tmp_path / "x", apps_row(given)))
    assert task.private_tests[0].expected == 10**6000 - 1
    program = "def f(n):\n    return 10 ** 6000 - 1 if n > 1 else 1"
    assert judge(task, Program(program), box).passed


def test_apps_folders(tmp_path):
    folder = tmp_path / "train" / "0001"
    folder.mkdir(parents=True)
    (folder / "question.txt").write_text(STATEMENT)
    (folder / "input_output.json").write_text(json.dumps({"inputs": ["1 2\n", "8 8\n"], "outputs": ["3\n", "16\n"]}))
    (folder / "solutions.json").write_text(json.dumps(["return\n", "print(3)"]))
    (folder / "metadata.json").write_text('{"difficulty": "interview"}')
    suite = load_suite(tmp_path)
    task = suite["train"][0]
    assert (task.key, task.metadata["difficulty"], task.references) == ("0001", "interview", (Program("print(3)"),))
    secret = tmp_path / "secret"
    secret.write_text("the host's own file")
    (folder / "starter_code.py").symlink_to(secret)
    with pytest.raises(TaskError, match=r"0001: file starter_code\.py: a link to elsewhere"):
        list(apps.read(tmp_path))


# LiveCodeBench


class Bomb:
    """A pickle that writes a file when it is loaded by the standard unpickler."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def packed(value):
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


LCB = {
    "question_id": "q1", "question_content": "Add.", "starter_code": "class Solution:\n    def add(self, a, b):\n",
    "metadata": '{"func_name": "add"}', "platform": "leetcode", "difficulty": "easy", "contest_date": "2024-01-01",
    "public_test_cases": json.dumps([{"input": "1\n[2]", "output": "[1, 2]", "testtype": "functional"}]),
}  # fmt: skip


def test_livecodebench_encoding(tmp_path, box):
    hidden = json.dumps([{"input": "3\n[4]", "output": "[3, 4]", "testtype": "functional"}])
    for text in (hidden, packed(hidden)):
        [task] = livecodebench.read(write(tmp_path / "x", {**LCB, "private_test_cases": text}))
        assert task.public_tests == (CallTest((1, [2]), [1, 2]),)
        assert task.private_tests == (CallTest((3, [4]), [3, 4]),)
    program = Program("class Solution:\n    def add(self, a: int, b: List[int]):\n        return (a, *b)")
    assert judge(task, program, box).passed, "a tuple is what JSON calls a list; List is imported"


def test_pickle_bombs_do_nothing(tmp_path):
    mark = tmp_path / "mark"
    bomb = packed(Bomb(str(mark)))
    path = write(tmp_path / "x", {**LCB, "private_test_cases": bomb})
    with pytest.raises(TaskError, match=r"row 1: field private_test_cases: not to be unpacked"):
        list(livecodebench.read(path))
    assert not mark.exists()
    pickle.loads(zlib.decompress(base64.b64decode(bomb)))  # the control: the attack works with the defence off
    assert mark.exists()


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.formats.livecodebench.MAX_LINE", 1 << 20)
    with pytest.raises(TaskError, match="more than 1 MiB"):
        list(livecodebench.read(write(tmp_path / "x", {**LCB, "private_test_cases": packed("x" * (8 << 20))})))


def test_livecodebench_repacked_rows(tmp_path):
    held = {"inputs": ["1 2\n", "5 5\n"], "outputs": ["3\n", "10\n"], "fn_name": None}
    row = {"id": 1, "content": STATEMENT, "canonical_solution": "import sys; sys.exit(0)",
           "labels": '{"task_id": "codeforces/1_A"}', "test": packed({"input_output": json.dumps(held)})}  # fmt: skip
    [task] = livecodebench.read(write(tmp_path / "x", row))
    assert (task.key, len(task.public_tests), len(task.private_tests)) == ("codeforces/1_A", 1, 1)
    assert task.references == (), "a placeholder is no reference"
