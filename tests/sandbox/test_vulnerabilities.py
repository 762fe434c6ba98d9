"""Known holes by version: the numbers at both ends of every branch."""

import pytest

from sandbox.vulnerabilities import HOLES, open_in, parse, warnings


def hole(name):
    return next(hole for hole in HOLES if hole.name == name)


def test_versions_are_read():
    assert parse("6.1.0-13-amd64") == (6, 1, 0)
    assert parse("1.1.5+ds1") == (1, 1, 5)
    assert parse("v20.10.24+dfsg1") == (20, 10, 24)
    assert parse("unknown") == ()


@pytest.mark.parametrize(
    ("name", "version", "there"),
    [
        ("CVE-2022-0847", "5.7.19", False),  # before it came in
        ("CVE-2022-0847", "5.8.0", True),
        ("CVE-2022-0847", "5.10.101", True),
        ("CVE-2022-0847", "5.10.102", False),
        ("CVE-2022-0847", "5.15.24-generic", True),
        ("CVE-2022-0847", "5.15.25-generic", False),
        ("CVE-2022-0847", "5.14.21", True),  # a branch that was never mended
        ("CVE-2022-0847", "6.18.44-fc-v669", False),
        ("CVE-2024-1086", "6.1.75", True),
        ("CVE-2024-1086", "6.1.76", False),
        ("CVE-2024-21626", "1.1.11", True),
        ("CVE-2024-21626", "1.1.12", False),
        ("CVE-2025-31133", "1.2.7", True),
        ("CVE-2025-31133", "1.2.8", False),
        ("CVE-2025-31133", "1.3.3", False),
        ("CVE-2025-31133", "1.1.15", True),
        ("CVE-2025-31133", "unknown", False),
    ],
)
def test_holes_are_known_by_version(name, version, there):
    assert open_in(hole(name), version) is there


def test_warnings_name_the_part_the_version_and_the_mended_ones():
    [warning] = warnings({"bubblewrap": "0.4.0", "kernel": "6.18.44", "engine": "1.0"})
    assert "bubblewrap 0.4.0 may have CVE-2020-5291" in warning
    assert "mended in 0.4.1" in warning
    assert warnings({"kernel": "99.0", "runc": "99.0"}) == []


@pytest.mark.parametrize("entry", HOLES, ids=lambda hole: hole.name)
def test_no_mended_version_is_warned_about(entry):
    assert not any(open_in(entry, version) for version in entry.fixed)
