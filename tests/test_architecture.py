"""The house rules that can be read off the source: import direction, late imports, a docstring on every module."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {"sandbox": {"tasks", "rlef"}, "tasks": {"rlef"}, "rlef": set()}
HEAVY = {
    "torch", "transformers", "accelerate", "matplotlib", "tensorboard", "docker", "trl", "peft", "datasets",
    "huggingface_hub",
}  # fmt: skip


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


ALL = [path for package in FORBIDDEN for path in modules(package)]


def name_of(path):
    """Dotted name of a module, of its package for __init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source, module="", is_package=False):
    """Absolute names a source imports anywhere in it: late, relative and by a literal in import_module included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: len(module.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value


def imports_of(path):
    return set(imports(path.read_text(encoding="utf-8"), name_of(path), path.name == "__init__.py"))


def test_imports_are_found_wherever_they_hide():
    source = """
import a.b
def late():
    from c import d
    from . import e
    from ..f import g
    import importlib; importlib.import_module("h"); __import__("i")
"""
    assert set(imports(source, "x.y.z")) == {"a.b", "c.d", "x.y.e", "x.f.g", "importlib", "h", "i"}
    assert set(imports("from . import e", "x.y", is_package=True)) == {"x.y.e"}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_there_is_something_to_check(package):
    assert len(modules(package)) > 3


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_imports_go_one_way(path):
    """sandbox <- tasks <- rlef: the sandbox never learns of tests, tasks never of learning."""
    reached = {name.split(".")[0] for name in imports_of(path)}
    assert not reached & FORBIDDEN[path.relative_to(ROOT).parts[0]]


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "open the module with a docstring"


def test_docker_folder_is_no_python_package():
    """A package here would hide the docker SDK from whoever starts Python in the checkout."""
    assert not list((ROOT / "docker").rglob("*.py"))


def test_runner_needs_the_standard_library_only():
    """Everything the runner reaches, through our own modules too; there is no third party inside a slot."""
    todo, seen = modules("sandbox/runner"), set()
    assert todo
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports_of(path):
            if name.split(".")[0] != "sandbox":
                assert name.split(".")[0] in sys.stdlib_module_names, f"{name_of(path)} imports {name}"
                continue
            parts = name.split(".")
            for length in range(2, len(parts) + 1):
                inner = ROOT.joinpath(*parts[:length])
                todo += [found for found in (inner.with_suffix(".py"), inner / "__init__.py") if found.exists()]


def test_command_line_starts_without_heavy_imports():
    code = "import sys, rlef.cli; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())
