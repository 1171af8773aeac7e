"""The arithmetic of deciding on noisy numbers: pure functions of plain values, standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Bounds:
    """An estimate and how far it can be trusted: the value lies above `low` and below `high`, each at its own level."""

    low: float
    centre: float
    high: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of the sorted values lie, interpolated linearly (Hyndman-Fan type 7)."""
    rank = share * (len(ordered) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value."""
    return math.fsum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """The unbiased variance; 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    centre = mean(values)
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method (Numerical Recipes, 6.4)."""
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    result = d
    for m in range(1, 500):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + term * d
            c = 1.0 + term / c
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = c if abs(c) > _TINY else _TINY
            result *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return result


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log_front) * _beta_fraction(a, b, x) / a
    return 1.0 - math.exp(log_front) * _beta_fraction(b, a, 1.0 - x) / b


def t_tail(t: float, df: float) -> float:
    """The chance that Student's t with `df` degrees of freedom exceeds `t`."""
    tail = 0.5 * _incomplete_beta(df / 2.0, 0.5, df / (df + t * t))
    return tail if t >= 0 else 1.0 - tail


@lru_cache(maxsize=4096)
def t_quantile(alpha: float, df: float) -> float:
    """The t that is exceeded with chance `alpha` (0 < alpha < 0.5), by bisection on its logarithm."""
    low, high = 1e-12, 1e12
    while high / low > 1.0 + 1e-12:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if t_tail(middle, df) > alpha else (low, middle)
    return math.sqrt(low * high)


def mean_bounds(values: Sequence[float], alpha: float, beta: float) -> Bounds:
    """Where the typical value of a round lies: above `low` but for chance `alpha`, below `high` but for `beta`.

    Positive values are averaged as logarithms (times are skewed, ratios are what matters), so the centre is the
    geometric mean; other values as they are. Student's t; needs two values, and three to be of use. Equal values give
    bounds without width: whatever is quantised that coarsely is not decided by its noise.
    """
    if all(value > 0 for value in values):
        inner = _linear_bounds([math.log(value) for value in values], alpha, beta)
        return Bounds(_exp(inner.low), _exp(inner.centre), _exp(inner.high))
    return _linear_bounds(values, alpha, beta)


def _linear_bounds(values: Sequence[float], alpha: float, beta: float) -> Bounds:
    centre = mean(values)
    error = math.sqrt(variance(values) / len(values))
    if error <= abs(centre) * 1e-12:
        return Bounds(centre, centre, centre)
    df = len(values) - 1
    return Bounds(centre - t_quantile(alpha, df) * error, centre, centre + t_quantile(beta, df) * error)


def ratio_bounds(head: Sequence[float], base: Sequence[float], drift: float, alpha: float, beta: float) -> Bounds:
    """The relative change from `base` to `head` measured at another time, as 0.1 for +10 %.

    Welch's t on logarithms; `drift` (standard deviation of ln between two runs of unchanged code) adds the noise that
    no number of rounds in one run can show. All values must be positive.
    """
    heads, bases = [math.log(v) for v in head], [math.log(v) for v in base]
    parts = [(variance(values) / len(values), len(values) - 1) for values in (heads, bases)]
    between = 2.0 * drift * drift
    squared = sum(part for part, _ in parts) + between
    centre = mean(heads) - mean(bases)
    if squared <= 0.0:
        return Bounds(math.expm1(centre), math.expm1(centre), math.expm1(centre))
    # Welch and Satterthwaite; the drift is taken as known, so it adds variance and no uncertainty of it.
    spread = sum(part * part / df for part, df in parts if df > 0)
    df = min(squared * squared / spread, 1e6) if spread > 0 else 1e6
    error = math.sqrt(squared)
    low, high = centre - t_quantile(alpha, df) * error, centre + t_quantile(beta, df) * error
    return Bounds(_exp(low) - 1.0, math.expm1(centre), _exp(high) - 1.0)


def _exp(value: float) -> float:
    """exp that saturates: a bound may lie anywhere, and infinity would spoil the sentence it is shown in."""
    return math.exp(min(value, 700.0))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its standard error and the degrees of freedom of Student's t around it."""

    centre: float
    error: float
    df: int

    def low(self, alpha: float) -> float:
        """What the true mean lies above, but for chance `alpha`."""
        return self.centre - t_quantile(alpha, self.df) * self.error if self.error else self.centre

    def high(self, beta: float) -> float:
        """What the true mean lies below, but for chance `beta`."""
        return self.centre + t_quantile(beta, self.df) * self.error if self.error else self.centre


def estimate(values: Sequence[float], trim: float = 0.0) -> Estimate:
    """The mean of at least two values, without the share `trim` (0 to 0.4) of them at either end.

    The error of a trimmed mean comes from the winsorised variance (Yuen 1974, Biometrika 61; Wilcox, Introduction to
    Robust Estimation, 4.3.2): sqrt((n - 1) s_w^2 / (h (h - 1))) with h values kept, and h - 1 degrees of freedom.
    Values that differ by no more than binary fractions have no error.
    """
    cut = int(trim * len(values) + 1e-9)
    kept = sorted(values)[cut : len(values) - cut] if cut else values
    centre = math.fsum(kept) / len(kept)
    squares = [(value - centre) ** 2 for value in kept]
    if cut:
        lowest, highest = kept[0], kept[-1]
        shift = cut * (lowest + highest - 2.0 * centre) / len(values)  # from the trimmed to the winsorised mean
        squares += [cut * (lowest - centre) ** 2, cut * (highest - centre) ** 2, -len(values) * shift * shift]
    df = len(kept) - 1
    error = math.sqrt(max(math.fsum(squares), 0.0) / (len(kept) * df))
    return Estimate(centre, error if error > abs(centre) * 1e-12 else 0.0, df)


Covariates = Sequence[Sequence[float]]
"""One sequence for each covariate, as long as the values that it goes with."""


def slopes(values: Sequence[float], covariates: Covariates) -> tuple[float, ...]:
    """How much the values grow with each covariate, the others unchanged, by least squares with an intercept.

    At most two covariates. Raises ZeroDivisionError where a covariate is constant, or follows from the others.
    """
    if not covariates:
        return ()
    rows = [_centred(covariate) for covariate in covariates]
    centred = _centred(values)
    return _solved([[_dot(a, b) for b in rows] for a in rows], [_dot(row, centred) for row in rows])


def without(values: Sequence[float], covariates: Covariates, by: Sequence[float]) -> list[float]:
    """The values less what each covariate, times its slope in `by`, contributes."""
    parts = zip(values, *covariates, strict=True)
    return [value - _dot(by, others) for value, *others in parts]


def adjusted(found: Estimate, residuals: Sequence[float], covariates: Covariates) -> Estimate:
    """An estimate of residuals from `without` and their own `slopes`, with the error that these add.

    Analysis of covariance (Fisher; CUPED: Deng et al., WSDM 2013): each slope costs a degree of freedom, and being
    itself uncertain moves the value at covariates of 0 the more, the further from 0 these lie.
    """
    count, lost = len(residuals), len(covariates)
    rows, middle = [_centred(covariate) for covariate in covariates], [mean(covariate) for covariate in covariates]
    far = _dot(middle, _solved([[_dot(a, b) for b in rows] for a in rows], middle))
    widening = (count - 1) / (count - 1 - lost)
    error = found.error * found.error * widening + variance(residuals) * widening * max(far, 0.0)
    return Estimate(found.centre, math.sqrt(error), found.df - lost)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def _centred(values: Sequence[float]) -> list[float]:
    centre = mean(values)
    return [value - centre for value in values]


def _solved(matrix: list[list[float]], right: Sequence[float]) -> tuple[float, ...]:
    """The solution of one or two linear equations, by Cramer's rule."""
    if len(right) == 1:
        return (right[0] / matrix[0][0],)
    (a, b), (c, d) = matrix
    determinant = a * d - b * c
    if determinant <= 1e-9 * a * d:
        raise ZeroDivisionError("the covariates follow from each other")
    return ((right[0] * d - b * right[1]) / determinant, (a * right[1] - right[0] * c) / determinant)


@lru_cache(maxsize=4096)
def sign_tail(worse: int, pairs: int) -> float:
    """The chance that at least `worse` of `pairs` coins fall on one side: the sign test (Dixon and Mood 1946)."""
    return sum(math.comb(pairs, k) for k in range(worse, pairs + 1)) / (1 << pairs)


@lru_cache(maxsize=1024)
def spending(first: int, last: int, alpha: float) -> tuple[tuple[int, float], ...]:
    """The looks of a sequential decision between `first` and `last` pairs, each with the part of `alpha` it may use.

    Looks lie about a third further each time, an even number apart, so that either side goes first equally often
    whenever one falls: few looks leave more to each. The part is in proportion to the pairs added since the look
    before (the power family of Kim and DeMets 1987 with exponent 1), and all parts add up to `alpha`: a union bound,
    valid however the looks are correlated.
    """
    plan = [first]
    while plan[-1] < last:
        step = 2 * max(1, round(plan[-1] / 6))
        plan.append(last if plan[-1] + 1.5 * step >= last else plan[-1] + step)
    return tuple((n, alpha * (n - before) / plan[-1]) for before, n in zip([0, *plan], plan, strict=False))


def pairs_needed(spread: float, gap: float, alpha: float) -> int:
    """How many values of standard deviation `spread` put a bound of level `alpha` less than `gap` from their mean.

    The normal approximation with Guenther's correction for Student's t (The American Statistician 35, 1981), at
    least 2 and at most a billion; a gap that is not positive needs infinitely many, which is a billion here.
    """
    if gap <= 0.0:
        return 10**9
    z = t_quantile(alpha, 1e6)
    ratio = min(z * spread / gap, 1e5)
    return max(2, min(math.ceil(ratio * ratio + z * z / 2.0), 10**9))


def looks(first: int, last: int) -> tuple[int, ...]:
    """After how many rounds a decision may fall: at `first`, every second round after it, and at `last`."""
    return tuple(sorted({*range(first, last, 2), max(first, last)}))


def alpha_spent(rounds: int, first: int, last: int, alpha: float) -> float:
    """The part of `alpha` that the look after `rounds` rounds may use, so that all looks together use no more.

    Pocock-like spending function of Lan and DeMets (1983), alpha * ln(1 + (e - 1) t), taken as increments: a union
    bound over the looks, so it holds whatever the correlation between them.
    """
    plan = looks(first, last)
    total = plan[-1]

    def spent(n: int) -> float:
        return math.log1p((math.e - 1.0) * min(n, total) / total)

    before = max((look for look in plan if look < rounds), default=0)
    return alpha * (spent(rounds) - spent(before)) if rounds <= total else alpha * (1.0 - spent(before))
