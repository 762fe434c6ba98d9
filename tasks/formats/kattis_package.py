"""Problem packages of Kattis as files: a folder or a zip, read in memory and never unpacked.

Nothing is written, so a name like `../../x` in a zip can lead nowhere; it is refused all the same, as is a link in a
folder that points out of its package. Sizes are bounded before anything is read.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tasks.errors import TaskError

MAX_FILE = 32 << 20
MAX_SETTINGS = 1 << 14
MAX_BRACKETS = 200
MAX_STATEMENT = 1 << 18
MAX_FIGURES = 200
MAX_FILES = 20_000
HOME = "a Kattis problem package: a folder or zip with problem.yaml in it"
_BLOCKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "pre", "ul", "ol", "table", "section"})


@dataclass(frozen=True)
class Package:
    """A problem package: its key and its files by relative name. Files are read when asked for."""

    key: str
    where: str
    names: tuple[str, ...]
    load: Callable[[str, int], bytes]
    """(name, limit) -> content. Raises `ValueError` that names the file."""

    def text(self, name: str, limit: int = MAX_FILE) -> str:
        """A file as text. Raises `ValueError` that names the file when it is too large or not UTF-8."""
        try:
            data = self.load(name, limit)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:  # cut off, encrypted
            raise ValueError(f"file {name}: cannot be read ({error}); pack it again") from error
        if len(data) > limit:
            raise ValueError(f"file {name}: more than {limit} bytes; leave it out")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"file {name}: not UTF-8 ({error}); convert it") from error

    def settings(self, name: str) -> dict[str, Any]:
        """A YAML file as an object; empty when there is none.

        A value with an unquoted colon, which some packages of record have, is taken as the text it is meant to be.
        """
        if name not in self.names:
            return {}
        text = self.text(name, MAX_SETTINGS)
        try:
            value = _yaml(text)
        except yaml.YAMLError as first:
            try:
                value = _yaml(re.sub(r"(?m)^(\w+): +([^\"'\[{|>#\n][^\n]*: [^\n]*)$", _quote, text))
            except yaml.YAMLError:
                raise ValueError(f"file {name}: not YAML ({first}); mend it") from first
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ValueError(f"file {name}: a YAML {type(value).__name__}; names with values are expected")
        return value

    def under(self, folder: str, *endings: str) -> list[str]:
        """Files directly or deeper in a folder with one of these endings, sorted."""
        return sorted(name for name in self.names if name.startswith(f"{folder}/") and name.endswith(endings))


def packages(path: Path, on_error: Callable[[str, BaseException], None]) -> Iterator[Package]:
    """The packages at a path: a package, a zip, or a folder that holds some at any depth, in order of their names."""
    if not path.exists():
        raise TaskError(f"{path}: no such file; it is to be {HOME}")
    if path.is_dir():
        found = sorted({*path.rglob("problem.yaml"), *path.rglob("*.zip"), *path.rglob("*.kpp")})
    else:
        found = [path]
    if not found:
        raise TaskError(f"{path}: no problem.yaml in it; it is to be {HOME}")
    for file in found:
        try:
            if file.name == "problem.yaml":
                root = file.parent
                yield _folder(root, root.relative_to(path).as_posix() if root != path else root.resolve().name)
            else:
                yield from _zip(file)
        except (ValueError, OSError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
            on_error(str(file), error)


def _folder(root: Path, key: str) -> Package:
    home = root.resolve()
    names = []
    for folder, _, files in os.walk(root):
        for file in files:
            place = Path(folder, file)
            if not place.resolve().is_relative_to(home):
                raise ValueError(f"file {place.relative_to(root)}: a link that leads out of the package; remove it")
            if stat.S_ISREG(place.stat().st_mode):
                names.append(place.relative_to(root).as_posix())
            if len(names) > MAX_FILES:
                raise ValueError(f"more than {MAX_FILES} files; is this one package?")

    def load(name: str, limit: int) -> bytes:
        with open(root / name, "rb") as opened:
            return opened.read(limit + 1)

    return Package(key, str(root), tuple(names), load)


def _zip(file: Path) -> Iterator[Package]:
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if len(infos) > MAX_FILES:
            raise ValueError(f"more than {MAX_FILES} files; is this one package?")
        for info in infos:
            parts = PurePosixPath(info.filename).parts
            if info.filename.startswith("/") or ".." in parts or "\\" in info.filename:
                raise ValueError(f"file {info.filename[:80]!r}: a name that leads out of the package; pack it again")
            if stat.S_ISLNK(info.external_attr >> 16):
                raise ValueError(f"file {info.filename[:80]!r}: a link; pack the file itself")
        names = [info.filename for info in infos]
        roots = [name.removesuffix("problem.yaml") for name in names if PurePosixPath(name).name == "problem.yaml"]
        if not roots:
            raise ValueError(f"no problem.yaml in it; it is to be {HOME}")
        for root in sorted(roots):
            members = {
                info.filename[len(root) :]: info
                for info in infos
                if info.filename.startswith(root) and not info.is_dir()
            }

            def load(name: str, limit: int, members: dict[str, zipfile.ZipInfo] = members) -> bytes:
                with archive.open(members[name]) as opened:
                    return opened.read(limit + 1)

            yield Package(root.rstrip("/").rpartition("/")[2] or file.stem, f"{file}:{root}", tuple(members), load)


def statement(package: Package) -> str:
    """The statement as text: the English one if there is one. LaTeX keeps its formulas; HTML loses its markup."""
    found = [
        name
        for name in package.names
        if re.fullmatch(r"(problem_statement|statement)/problem(\.\w+)?\.(tex|md|html)", name)
    ]
    if not found:
        raise ValueError("file problem_statement/problem.en.tex: missing, and no other statement; add one")
    name = min(found, key=lambda name: (".en." not in name, name.count(".") > 1, name))
    text = package.text(name, MAX_STATEMENT)
    return plain_html(text) if name.endswith(".html") else plain_tex(text) if name.endswith(".tex") else text.strip()


def plain_tex(text: str) -> str:
    """LaTeX without comments, pictures and headings' commands; formulas stay."""
    text = re.sub(r"(?<!\\)%[^\n]*", "", text)
    if text.count("\\begin{figure}") > MAX_FIGURES:
        raise ValueError(f"file problem.tex: more than {MAX_FIGURES} figures; take them out")
    text = re.sub(r"(?s)\\begin\{figure\}.*?\\end\{figure\}", "", text)
    text = re.sub(r"\\(?:includegraphics|illustration)(?:\[[^\]]*\])?(?:\{[^{}]*\})*", "", text)
    text = re.sub(r"\\(?:problemname|(?:sub)*section\*?)\s*\{([^{}]*)\}", r"\1\n", text)
    text = re.sub(r"\\(?:noindent|centering)\b", "", text)
    return re.sub(r"\n\s*\n\s*\n+", "\n\n", text).strip()


def plain_html(text: str) -> str:
    """The words of an HTML page: no scripts, styles or tags; exponents as `^`, formulas between single dollars."""
    reader = _Words()
    reader.feed(text)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.found).replace("$$$", "$").split("\n"))
    return re.sub(r"\n\n+", "\n\n", "\n".join(lines)).strip()


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        self.found.append("\n" if tag in _BLOCKS else {"sup": "^", "sub": "_", "td": " ", "th": " "}.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0
        self.found.append("\n" if tag in _BLOCKS else "")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append(data)


def _yaml(text: str) -> Any:
    if text.count("[") + text.count("{") > MAX_BRACKETS:  # reading them takes the square of their number
        raise yaml.YAMLError(f"more than {MAX_BRACKETS} brackets")
    try:
        if any(isinstance(token, yaml.AnchorToken | yaml.AliasToken) for token in yaml.scan(text)):
            raise yaml.YAMLError("anchors are not part of the format")
        return yaml.safe_load(text)
    except (ValueError, RecursionError) as error:  # a date that is none, nesting without end
        raise yaml.YAMLError(str(error)) from error


def _quote(match: re.Match[str]) -> str:
    value = match[2].strip().replace("'", "''")
    return f"{match[1]}: '{value}'"
