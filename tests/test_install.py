"""A wheel of the project, installed into an empty environment, next to a user's own files of the same names."""

import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command, cwd, **more):
    """Run a command without this checkout on its path; its output is in the failure."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=clean, capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy: setuptools leaves build/ in the source folder and would pack what lies there."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for package in ("rlef", "sandbox", "tasks"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", ".", cwd=folder)
    [built] = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def user(wheel, tmp_path_factory):
    """A user's environment with the wheel, and a working folder with names like ours; returns (bin, folder)."""
    home = tmp_path_factory.mktemp("user")
    run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=home)
    python = home / "venv" / "bin" / "python"
    # The dependencies come from this environment, so that nothing is downloaded. A .pth line adds the folder alone:
    # the .pth file of our own editable install in it is not followed.
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip()
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", "--ignore-installed", wheel, cwd=home)
    folder = home / "work"
    trap = "raise SystemExit('the working folder was imported')\n"
    for name in ("tasks.py", "rlef.py", "sandbox/__init__.py", "docker/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(trap)
    return python.parent, folder


def test_wheel_holds_the_packages_and_their_data(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"rlef", "sandbox", "tasks"}
    for package in ("rlef", "sandbox", "tasks"):
        missing = {
            str(path.relative_to(ROOT))
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        } - names
        assert not missing, "a file of the package is not in the wheel; see [tool.setuptools.package-data]"


def test_help_answers_quickly(user):
    binaries, folder = user
    run(binaries / "rlef", "--help", cwd=folder)
    spent = []
    for _ in range(3):
        # Processor time: what the machine does besides is not ours.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "train" in run(binaries / "rlef", "--help", cwd=folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 1.0


def test_command_works_next_to_files_of_the_same_names(user):
    binaries, folder = user
    assert "starter" in run(binaries / "rlef", "tasks", "list", cwd=folder)


def test_packages_come_from_the_wheel(user):
    binaries, folder = user
    # -P is what a console script does: the working folder is not on the path.
    code = "import rlef, sandbox, tasks, docker; print(rlef.__file__, sandbox.__file__, tasks.__file__, sep='\\n')"
    places = run(binaries / "python", "-P", "-c", code, cwd=folder).splitlines()
    assert [place.startswith(str(binaries.parent)) for place in places] == [True] * 3
