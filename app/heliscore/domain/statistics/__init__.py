"""Statistics of scores, from exact counts and sums.

Scores are integers, so that how often each value occurs says all that a statistic needs: `samples` has one
group's values, the modules beside it compare two groups or two raters. Sums stay integers (or fractions) up
to the last division; where data has no answer, that is None and a reason, never NaN.
"""
