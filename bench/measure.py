"""Timing: medians of several rounds, each of which runs all cases in turn."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from statistics import median
from typing import Any

#: Something to time: a context that is entered outside the measured time, and what is done in it.
Case = tuple[Callable[[], AbstractContextManager[Any]], Callable[[Any], None]]


def medians(cases: Mapping[str, Case], rounds: int) -> dict[str, float]:
    """Return the median seconds of each case; each round runs all cases in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (prepare, work) in cases.items():
            with prepare() as prepared:
                gc.collect()
                started = time.perf_counter()
                work(prepared)
                seconds[name].append(time.perf_counter() - started)
    return {name: median(taken) for name, taken in seconds.items()}


def machine() -> str:
    """Return a description of the machine."""
    packages = ("boto3", "botocore", "moto")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    date = time.strftime("%Y-%m-%d")
    return (
        f"{date}: {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, {versions}"
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    rule = ["---", *["---:" for _ in head[1:]]]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])
