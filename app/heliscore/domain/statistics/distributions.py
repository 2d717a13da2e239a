"""The distributions that intervals and p values come from, by the standard library alone."""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, exp, lgamma, log, sqrt
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_TINY: Final = 1e-300
_MAX_TERMS: Final = 100_000
_PRECISION: Final = 1e-16


def normal_quantile(probability: float) -> float:
    return _NORMAL.inv_cdf(probability)


def normal_two_sided(z: float) -> float:
    """The probability of a normal variable further from 0 than z."""
    return erfc(abs(z) / sqrt(2))


def t_two_sided(t: float, degrees: float) -> float:
    """The probability of a variable by Student's t further from 0 than t."""
    if degrees <= 0:
        raise ValueError("degrees of freedom must be positive")
    # x is near 1 where t is near 0: then the other end of the integral is the exact one.
    return _incomplete_beta(degrees / (degrees + t * t), t * t / (degrees + t * t), degrees / 2, 0.5)


def t_quantile(probability: float, degrees: float) -> float:
    """The value below which Student's t is with that probability, above one half."""
    low, high = 0.0, 2.0
    tail = 2 * (1 - probability)
    while t_two_sided(high, degrees) > tail:
        low, high = high, high * 2
    return bisect(lambda t: t_two_sided(t, degrees) > tail, low, high)


def bisect(is_below: Callable[[float], bool], low: float, high: float) -> float:
    """Find where a condition that holds below and not above changes."""
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        low, high = (middle, high) if is_below(middle) else (low, middle)


def chi_square_tail(value: float, degrees: int) -> float:
    """The probability of a greater chi-square with that many whole degrees of freedom."""
    half = value / 2
    if degrees % 2:
        tail, term, first = erfc(sqrt(half)), 0.0, 1
        if half > 0:
            term = exp(-half - lgamma(1.5) + 0.5 * log(half))
    else:
        tail, term, first = exp(-half), exp(-half) * half, 2
    for number in range(first, degrees - 1, 2):
        tail += term
        term *= half / ((number + 2) / 2)
    return min(tail, 1.0)


def binomial_half_cdf(successes: int, trials: int) -> float:
    """The probability of at most so many heads of a fair coin."""
    term = log_choose(trials, successes) - trials * log(2)
    ratio, total = 1.0, 1.0
    for k in range(successes, 0, -1):
        ratio *= k / (trials - k + 1)
        total += ratio
        if ratio < total * _PRECISION:
            break
    return min(exp(term + log(total)), 1.0)


def log_choose(n: int, k: int) -> float:
    """The logarithm of the number of ways to choose k of n."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _incomplete_beta(x: float, rest: float, a: float, b: float) -> float:
    """The regularised incomplete beta function at x; `rest` is 1 - x, which may be too small to be 1 - x."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(rest))
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(x, a, b) / a
    return 1 - front * _continued_fraction(rest, b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Lentz's evaluation, as in Press et al., Numerical Recipes, section 6.4."""
    c, d = 1.0, 1 / _away_from_0(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, _MAX_TERMS):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_0(1 + factor * d)
            c = _away_from_0(1 + factor / c)
            result *= c * d
        if abs(c * d - 1) < _PRECISION * 10:
            return result
    raise ArithmeticError("the incomplete beta function did not converge")


def _away_from_0(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
