"""The estimators: pure functions from counts and numbers to a point with its bounds, or to a p-value.

These are the public, floating-point face. Where a verdict depends on a bound, `exact` computes it without rounding; a
test keeps the two together. SciPy and numpy are loaded only by the functions that need them.

| of | independent samples | samples in clusters | at every look |
|---|---|---|---|
| a rate | `clopper_pearson`, `wilson` | `korn_graubard` | `beta_mixture_sequence`, `bernoulli_sequence` |
| a rate of rare events | `poisson_exact` | | |
| a mean | `clustered_mean` | `clustered_mean` | `empirical_bernstein_sequence` |
| a ratio of sums | `ratio_of_sums` | `ratio_of_sums` | |
| a quantile | `quantile_interval` | | `beta_mixture_sequence` of the values beyond it |
| a weighted sum of estimates | `stratified` | `stratified` | |
| a difference on the same cases | `newcombe_paired`, `tango_paired`, `mcnemar_exact` | `sign_flip_test` | |
| a difference of two samples | `newcombe_independent` | | |
"""

from registry.core.gate.estimators.interval import Interval, NoSample
from registry.core.gate.estimators.means import (
    MeanInterval,
    clustered_mean,
    quantile_interval,
    ratio_of_sums,
    stratified,
)
from registry.core.gate.estimators.pairs import (
    mcnemar_exact,
    newcombe_independent,
    newcombe_paired,
    sign_flip_test,
    tango_paired,
)
from registry.core.gate.estimators.rates import clopper_pearson, korn_graubard, poisson_exact, wilson
from registry.core.gate.estimators.sequences import (
    bernoulli_sequence,
    beta_mixture_sequence,
    empirical_bernstein_sequence,
)

__all__ = [
    "Interval",
    "MeanInterval",
    "NoSample",
    "bernoulli_sequence",
    "beta_mixture_sequence",
    "clopper_pearson",
    "clustered_mean",
    "empirical_bernstein_sequence",
    "korn_graubard",
    "mcnemar_exact",
    "newcombe_independent",
    "newcombe_paired",
    "poisson_exact",
    "quantile_interval",
    "ratio_of_sums",
    "sign_flip_test",
    "stratified",
    "tango_paired",
    "wilson",
]
