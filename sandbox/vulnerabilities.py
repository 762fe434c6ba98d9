"""Known holes in what a sandbox stands on, by version: the kernel, runc, bubblewrap.

Only holes that a hostile program in a slot could use are listed, and the list is short and never complete: a version
without a warning is not a safe version. Distributions mend old versions without a new number, so a warning says "may".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True)
class Hole:
    """A vulnerability: there from `since` on, mended in each of the versions of `fixed` (one a maintained branch)."""

    part: str
    name: str
    what: str
    fixed: tuple[str, ...]
    since: str = "0"


HOLES: tuple[Hole, ...] = (
    Hole("kernel", "CVE-2016-5195", "Dirty COW: read-only files can be written", ("4.4.26", "4.7.9", "4.8.3", "4.9")),
    Hole(
        "kernel", "CVE-2022-0847", "Dirty Pipe: read-only files can be written",
        ("5.10.102", "5.15.25", "5.16.11", "5.17"), since="5.8",
    ),
    Hole(
        "kernel", "CVE-2024-1086", "nf_tables: a program can become root",
        ("5.10.210", "5.15.149", "6.1.76", "6.6.15", "6.7.3", "6.8"), since="3.15",
    ),
    Hole("runc", "CVE-2019-5736", "a container can overwrite runc", ("1.0.0",)),
    Hole("runc", "CVE-2021-30465", "a race of mounts leads out of the container", ("1.0.0",)),
    Hole("runc", "CVE-2024-21626", "a leaked descriptor leads out of the container", ("1.1.12",)),
    Hole("runc", "CVE-2025-31133", "masked paths can be used to write to /proc", ("1.2.8", "1.3.3", "1.4.0")),
    Hole("runc", "CVE-2025-52565", "a race at /dev/console leads to writes to /proc", ("1.2.8", "1.3.3", "1.4.0")),
    Hole("runc", "CVE-2025-52881", "writes to /proc can be sent elsewhere", ("1.2.8", "1.3.3", "1.4.0")),
    Hole("bubblewrap", "CVE-2020-5291", "an installation with setuid makes any user root", ("0.4.1",)),
)  # fmt: skip


def parse(version: str) -> Version:
    """The leading numbers of a version: (6, 1, 0) for "6.1.0-13-amd64", empty where there are none."""
    found = re.match(r"\D*(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def open_in(hole: Hole, version: str) -> bool:
    """Whether a version has this hole, as far as numbers tell; never for a version without a number."""
    given = parse(version)
    if not given or given < parse(hole.since):
        return False
    fixes = [parse(fix) for fix in hole.fixed]
    same_branch = [fix for fix in fixes if fix[:2] == given[:2]]
    return given < (same_branch or [max(fixes)])[0]


def warnings(versions: dict[str, str]) -> list[str]:
    """One line for each listed hole these versions may have."""
    return [
        f"{hole.part} {versions[hole.part]} may have {hole.name} ({hole.what}); mended in {', '.join(hole.fixed)}"
        for hole in HOLES
        if hole.part in versions and open_in(hole, versions[hole.part])
    ]
