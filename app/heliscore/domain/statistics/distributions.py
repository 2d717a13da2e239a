"""The distributions that intervals and p values come from, by the standard library alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import erfc, exp, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_TINY: Final = 1e-300
_MAX_TERMS: Final = 100_000
_PRECISION: Final = 1e-16
_LARGE: Final = 1000
_NEARLY_NORMAL: Final = 1_000_000
"""Degrees of freedom above which an expansion around the normal is exact to ten digits."""
_MAX_STEPS: Final = 100
_CLOSE: Final = 1e-10
"""A step of Newton's this small leaves an error of about its square."""


def normal_quantile(probability: float) -> float:
    return _NORMAL.inv_cdf(probability)


def normal_two_sided(z: float) -> float:
    """The probability of a normal variable further from 0 than z."""
    return erfc(abs(z) / sqrt(2))


def t_two_sided(t: float, degrees: float) -> float:
    """The probability of a variable by Student's t further from 0 than t."""
    if degrees <= 0:
        raise ValueError("degrees of freedom must be positive")
    if degrees > _NEARLY_NORMAL:
        return normal_two_sided(t * (1 - 1 / (4 * degrees)) / sqrt(1 + t * t / (2 * degrees)))
    # x is near 1 where t is near 0: then the other end of the integral is the exact one.
    return _incomplete_beta(degrees / (degrees + t * t), t * t / (degrees + t * t), degrees / 2)


@lru_cache(1024)
def t_quantile(probability: float, degrees: float) -> float:
    """The value below which Student's t is with that probability, above one half."""
    tail, t = 2 * (1 - probability), normal_quantile(probability)
    height = exp(_log_gamma_step(degrees / 2)) / sqrt(degrees * pi)
    # Newton's method on logarithms, in which the tail is nearly straight. The normal quantile is below.
    for _ in range(_MAX_STEPS):
        p = t_two_sided(t, degrees)
        density = height * exp(-(degrees + 1) / 2 * log1p(t * t / degrees))
        step = log(p / tail) * p / (2 * density * t)
        t *= exp(step)
        if abs(step) < _CLOSE:
            return t
    raise ArithmeticError("the quantile of Student's t did not converge")


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


def _incomplete_beta(x: float, rest: float, a: float) -> float:
    """The regularised incomplete beta function of a and 1/2 at x; `rest` is 1 - x without cancellation."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    log_x = log1p(-rest) if rest < 0.5 else log(x)
    front = exp(_log_gamma_step(a) + a * log_x) * sqrt(rest / pi)
    if x < (a + 1) / (a + 2.5):
        return front * _continued_fraction(x, a, 0.5) / a
    return 1 - front * _continued_fraction(rest, 0.5, a) * 2


def _log_gamma_step(a: float) -> float:
    """The logarithm of gamma(a + 1/2) / gamma(a): by its series where two large logarithms would cancel."""
    if a < _LARGE:
        return lgamma(a + 0.5) - lgamma(a)
    return log(a) / 2 - 1 / (8 * a) + 1 / (192 * a**3)


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
