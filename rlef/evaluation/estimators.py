"""Unbiased estimators from counts: what k samples would give, from the n that were drawn.

Each is the expectation over all choices of k of the n samples, computed exactly, so it equals enumeration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased chance that one of k samples passes: 1 - C(n-c, k) / C(n, k), as a product that cannot overflow.

    Source: Chen et al. 2021 (arXiv 2107.03374), equation 1 and figure 3.
    """
    _check_counts(samples, correct, k)
    if samples - correct < k:
        return 1.0
    return 1.0 - float(np.prod(1.0 - k / np.arange(samples - correct + 1, samples + 1)))


def pass_hat_k(samples: int, correct: int, k: int) -> float:
    """Unbiased chance that all of k samples pass (pass^k): C(c, k) / C(n, k). Reliability, where pass@k is reach.

    Source: Yao et al. 2024 (tau-bench, arXiv 2406.12045), section 3.
    """
    _check_counts(samples, correct, k)
    return math.comb(correct, k) / math.comb(samples, k)


def n_at_k(samples: int, correct: int, public_only: int, n: int, k: int) -> float:
    """Chance that one of n submissions, chosen from k samples, passes all tests.

    k of the samples are drawn without replacement; of those, n that pass the public tests are submitted, drawn at
    random where there are more. `correct` samples pass all tests, `public_only` pass the public tests and fail a
    private one. A sample that fails a public test cannot pass all tests, so it never decides the outcome.

    Source: Li et al. 2022 (AlphaCode, arXiv 2203.07814), n@k with filtering; RLEF (arXiv 2410.02089) section 3.2.
    """
    _check_counts(samples, correct, k)
    if public_only < 0 or correct + public_only > samples:
        raise ValueError("correct + public_only must lie between 0 and samples")
    if n < 1:
        raise ValueError("n must be at least 1")
    rest = samples - correct - public_only
    chance = 0.0
    for right in range(1, min(correct, k) + 1):
        for wrong in range(max(0, k - right - rest), min(public_only, k - right) + 1):
            hits = math.comb(correct, right) * math.comb(public_only, wrong) * math.comb(rest, k - right - wrong)
            submitted = min(n, right + wrong)
            missed = math.comb(wrong, submitted) / math.comb(right + wrong, submitted)
            chance += hits / math.comb(samples, k) * (1 - missed)
    return min(chance, 1.0)


def distinct_at_k(counts: Sequence[int], k: int) -> float:
    """Expected number of different things among k drawn without replacement, where thing i was seen `counts[i]` times.

    Source: Hurlbert 1971, rarefaction: sum over i of 1 - C(n - counts[i], k) / C(n, k).
    """
    samples = sum(counts)
    _check_counts(samples, 0, k)
    return sum(1 - math.comb(samples - count, k) / math.comb(samples, k) for count in counts)


def _check_counts(samples: int, correct: int, k: int) -> None:
    if not 1 <= k <= samples:
        raise ValueError(f"k={k} must lie between 1 and the number of samples, {samples}")
    if not 0 <= correct <= samples:
        raise ValueError(f"correct={correct} must lie between 0 and the number of samples, {samples}")
