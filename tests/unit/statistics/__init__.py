"""Statistics against published examples, scipy and statsmodels, random tables and simulated experiments."""
