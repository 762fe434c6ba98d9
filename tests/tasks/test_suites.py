"""Names, paths, plug-ins, and mistakes in them."""

from importlib.metadata import EntryPoint

import pytest

from tasks import StdioTest, Suite, Task, TaskError, list_suites, load_suite, register_suite, suites

TASK = Task("k", "s", (StdioTest("1\n", "1\n"),), (StdioTest("2\n", "2\n"),))


def small_suite(path=None):
    return Suite("small", {"train": (TASK,), "test": ()})


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(suites, "_loaders", dict(suites._loaders))


def test_registered_suites_load_by_name():
    register_suite("small", small_suite)
    suite = load_suite("small")
    assert "small" in list_suites()
    assert suite["train"][0] is TASK
    assert suite.find("k") is TASK
    assert suite.keys() == ["k"]
    assert len(suite) == 1


def test_a_loader_receives_the_path_after_the_colon(tmp_path):
    seen = []
    register_suite("small", lambda path: seen.append(path) or small_suite())
    load_suite(f"small:{tmp_path}")
    assert seen == [tmp_path]


def test_entry_points_are_found_and_loaded_late(monkeypatch):
    point = EntryPoint("plugged", f"{__name__}:small_suite", suites.ENTRY_POINTS)
    broken = EntryPoint("broken", "no_such_module:load", suites.ENTRY_POINTS)
    wrong = EntryPoint("wrong", "builtins:repr", suites.ENTRY_POINTS)
    monkeypatch.setattr(suites, "entry_points", lambda group: [point, broken, wrong])
    assert {"plugged", "broken"} < set(list_suites())
    assert load_suite("plugged").name == "small"
    with pytest.raises(TaskError, match=r"no_such_module.*reinstall"):
        load_suite("broken")
    with pytest.raises(TaskError, match="returned str"):
        load_suite("wrong")


def test_a_path_is_loaded_when_its_content_tells_the_format(tmp_path):
    unknown = tmp_path / "rows.jsonl"
    unknown.write_text("{}\n")
    with pytest.raises(TaskError, match="FORMAT:"):
        load_suite(unknown)
    with pytest.raises(TaskError, match="FORMAT:"):
        load_suite(str(unknown))
    with pytest.raises(TaskError, match="no such file"):
        load_suite(tmp_path / "HumanEval.jsonl.gz")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("startr", r'unknown suite "startr"; did you mean "starter"\?; known: apps, .*starter'),
        ("", "unknown suite"),
        ("starter:/tmp", r'takes levels and no path.*write "starter:L0-L2"'),
        ("starter:L0-L9", "takes levels and no path"),
        ("starter:L2-L0", "takes levels and no path"),
        ("starter:L6", "takes levels and no path"),
        ("humaneval", "needs its file"),
        ("humaneval:/no/such/file.gz", r"/no/such/file\.gz: no such file"),
    ],
)
def test_mistakes_name_the_remedy_in_one_line(spec, message):
    with pytest.raises(TaskError, match=message) as caught:
        load_suite(spec)
    assert "\n" not in str(caught.value)


def test_unknown_splits_and_keys_are_explained():
    with pytest.raises(TaskError, match="it has: train, test"):
        small_suite()["trian"]
    with pytest.raises(TaskError, match='did you mean "k"'):
        small_suite().find("kk")


@pytest.mark.parametrize("name", ["", "a:b", "a/b", "starter"])
def test_bad_or_taken_names_are_refused(name):
    with pytest.raises(TaskError, match=r"choose|use letters"):
        register_suite(name, small_suite)
