"""Our `kattis` checker against the default validator of record, the program that problemtools ships."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tasks.checkers import checker

WORDS = st.one_of(
    st.sampled_from(["yes", "YES", "No", "0", "-0", "1", "1.0", "1.", ".5", "1e3", "1E3", "+1", "200", "2.0e2", "1x"]),
    st.integers(-(10**12), 10**12).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(str),
    st.text("abAB01.-", min_size=1, max_size=4),
)
GAPS = st.sampled_from([" ", "\n", "  ", "\t", " \n"])
FLAGS = ["", "case_sensitive", "space_change_sensitive", "float_tolerance 1e-2", "float_relative_tolerance 1e-3",
         "float_absolute_tolerance 0.5", "case_sensitive space_change_sensitive float_tolerance 1e-6"]  # fmt: skip


@pytest.fixture(scope="session")
def validator(tmp_path_factory):
    """(flags, answer, output) -> accepted, by problemtools' own program."""
    problemtools = pytest.importorskip("problemtools", reason="pip install problemtools")
    program = Path(problemtools.__file__).parent / "support" / "default_validator"
    program = program / "default_validator" if program.is_dir() else program
    if not os.access(program, os.X_OK):
        pytest.skip(f"no program at {program}")
    folder = tmp_path_factory.mktemp("validator")

    def run(flags, answer, output):
        (folder / "answer").write_bytes(answer)
        command = [program, folder / "answer", folder / "answer", folder, *flags.split()]
        code = subprocess.run(command, input=output, capture_output=True, timeout=60, check=False).returncode
        assert code in (42, 43)
        return code == 42

    return run


def differs_on_purpose(flags, answer, output):
    """Ours is stricter: no relative tolerance for an expected integer; hexadecimal, nan and inf are words."""
    pairs = list(zip(answer.split(), output.split(), strict=False))
    odd = any(re.fullmatch(rb"(?i)[+-]?(0x.*|nan.*|inf.*)", word) for pair in pairs for word in pair)
    return "tolerance" in flags and (odd or any(re.fullmatch(rb"[+-]?\d+", a) and a != b for a, b in pairs))


@settings(max_examples=int(os.environ.get("RLEF_PAIRS", "150")), suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_agreement_with_the_default_validator(validator, data):
    """RLEF_PAIRS=10000 makes it the long run. Outputs are mutations of the answer, so that both outcomes are common."""
    words = data.draw(st.lists(WORDS, max_size=5))
    said = list(words)
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(said)))
        if place < len(said):
            near = st.sampled_from([said[place].upper(), said[place] + "0", said[place] + "1", said[place][:-1] + "7"])
            said[place] = data.draw(near | WORDS)
        else:
            said.append(data.draw(WORDS))
    gap = data.draw(GAPS)
    answer = gap.join(words).encode() + b"\n"
    output = data.draw(GAPS | st.just(gap)).join(said).encode() + data.draw(st.sampled_from([b"\n", b""]))
    flags = data.draw(st.sampled_from(FLAGS))
    ours, theirs = checker(f"kattis {flags}")(answer, output), validator(flags, answer, output)
    event(f"{'accepted' if theirs else 'rejected'}, {'agreed' if ours == theirs else 'stricter on purpose'}")
    assert ours == theirs or (theirs and differs_on_purpose(flags, answer, output))
