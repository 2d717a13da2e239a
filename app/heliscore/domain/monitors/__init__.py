"""Monitors: numbers of scores that are watched, when they are looked at, and what comes of it. Pure."""
