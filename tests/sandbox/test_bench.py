"""The measuring itself: percentiles by hand, every kind is there, and a wrong answer is no measurement."""

import pytest

from sandbox import SandboxError, bench
from sandbox.bench import measure, percentile, table


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([3.0, 1.0, 2.0], 0.5, 2.0), ([5.0], 0.99, 5.0), (list(range(1, 101)), 0.95, 95), (list(range(1, 101)), 0.99, 99)],
)
def test_percentiles_are_nearest_ranks(values, share, expected):
    assert percentile(values, share) == expected


def test_everything_is_measured(open_sandbox):
    open_sandbox(slots=1).close()
    result = measure("docker", runs=5)
    assert {"sandbox", "fork_server", "subprocess"} <= set(result["per_second"])
    assert all(rate > 0 for rate in result["per_second"].values())
    assert result["latency_ms"]["p50"] <= result["latency_ms"]["p95"] <= result["latency_ms"]["p99"]
    assert "bare fork-server" in table(result)


def test_a_wrong_answer_is_no_measurement(open_sandbox, monkeypatch):
    open_sandbox(slots=1).close()
    monkeypatch.setattr(bench, "ADD", "print(41)")
    with pytest.raises(SandboxError, match="did not end as it must"):
        measure("docker", runs=5)
