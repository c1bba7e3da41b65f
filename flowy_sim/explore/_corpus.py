"""The corpus: a folder in which an exploration of a test stores where the next one continues.

Two things are kept. The *notable* runs are tried first: those in which an execution ended in a new
way, a condition was true for the first time, or the test failed. They are written as choices that
keep their meaning when the code changes. The *frontier* holds what has not been tried, with the
states seen so far; it is used only while code and options are the same, and explored from the
beginning otherwise.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flowy._safe_text import safe_logger
from flowy.errors import ConfigurationError
from flowy_sim.explore._attempt import Setup, Test
from flowy_sim.explore._choices import Alternative, format_choices, parse_choices
from flowy_sim.explore._explorer import Explorer
from flowy_sim.explore._report import Failure

_log = safe_logger("flowy_sim")

_FORMAT = 1


class Corpus:
    """The corpus of one test.

    Args:
        folder: where corpora are kept; it is made if it does not exist.
        test: the test.
        setup: how each run is set up.
        shard: which part of the space is explored, such as ``3/16``; None for all of it.

    Attributes:
        is_resumed: whether the frontier of an earlier exploration is being explored.

    Raises:
        ConfigurationError: the folder cannot be used, or the file is not a corpus.
    """

    def __init__(self, folder: Path, test: Test, setup: Setup, shard: str | None) -> None:
        __tracebackhide__ = True
        name = re.sub(r"[^\w.-]+", "-", f"{_name(test)} {shard or ''}").strip("-")
        self._path = folder / f"{name}.json"
        self._key = _key(test, setup, shard)
        self._kept = self._load()
        self.is_resumed = False

    def resume(self, explorer: Explorer) -> Failure | None:
        """Make the notable runs, and go on with the frontier if it still fits.

        Args:
            explorer: an explorer that has not tried anything.

        Returns:
            How the test fails in one of these runs; None if it fails in none.
        """
        for written in self._kept.get("notable", {}).values():
            failure = explorer.try_choices(parse_choices(written))
            if failure is not None:
                return failure
        frontier = list(_unpacked(self._kept.get("frontier", {})))
        if self._kept.get("key") == self._key and frontier:
            self.is_resumed = True
            explorer.search.replace(frontier)
            explorer.search.covered = self._kept["share"]
            explorer.states.update(self._kept["states"])
        return None

    def keep(self, explorer: Explorer, failure: Failure | None) -> None:
        """Keep what an exploration has found and what it has left.

        Args:
            explorer: the explorer.
            failure: how the test fails; None if it did not fail.
        """
        notable = {label: format_choices(made) for label, made in explorer.notable.items()}
        notable = {**self._kept.get("notable", {}), **notable}
        if failure is not None:
            notable[f"failure: {failure.story[-1] if failure.story else ''}"] = format_choices(
                failure.choices
            )
        kept = {
            "format": _FORMAT,
            "key": self._key,
            "notable": {label: written for label, written in notable.items() if written},
            "share": explorer.search.covered,
            "states": sorted(explorer.states),
            "frontier": _packed(explorer.search.split(1)[0]),
        }
        part = self._path.with_suffix(".part")
        try:
            part.write_text(json.dumps(kept), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            # What was found is worth more than what would have been kept.
            _log.warning(
                "%s cannot be written: %s; the next exploration continues from what it had.",
                self._path,
                error.strerror,
            )

    def _load(self) -> dict[str, Any]:
        __tracebackhide__ = True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._path.exists():
                self._path.with_suffix(".part").touch()  # It can be written at the end.
                return {}
            kept: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
            if kept["format"] != _FORMAT:
                raise ConfigurationError(
                    f"{self._path} is a corpus of format {kept['format']}, and this version "
                    f"reads format {_FORMAT}; delete it to begin a new one"
                )
        except OSError as error:
            raise ConfigurationError(
                f"corpus={str(self._path.parent)!r} cannot be used: {error.strerror}"
            ) from error
        except (ValueError, LookupError, TypeError) as error:
            raise ConfigurationError(
                f"{self._path} is not a corpus of explored choices; delete it or give another "
                "folder"
            ) from error
        return kept


def _packed(frontier: Iterable[Alternative]) -> dict[str, Any]:
    """Return a frontier as data for JSON, with the choices of each run only once."""
    runs: dict[tuple[int, ...], int] = {}
    untried = [
        [runs.setdefault(each.chosen, len(runs)), each.position, each.taken, each.weight]
        for each in frontier
    ]
    return {"runs": list(runs), "untried": untried}


def _unpacked(frontier: dict[str, Any]) -> Iterator[Alternative]:
    runs = [tuple(each) for each in frontier.get("runs", ())]
    for run, position, taken, weight in frontier.get("untried", ()):
        yield Alternative(runs[run], position, taken, weight)


def _key(test: Test, setup: Setup, shard: str | None) -> str:
    """Return what has to be the same for a frontier to be used again."""
    described = re.sub(r" at 0x[0-9a-f]+", "", repr((_name(test), setup, shard)))
    digest = hashlib.sha256(described.encode())
    for name in sorted(_modules(test)):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None:
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()


def _modules(test: Any) -> set[str]:
    """Return the modules whose code a test certainly runs."""
    code = [test, *getattr(test, "workflows", ()), *getattr(test, "activities", ())]
    code += [*getattr(test, "deciders", ()), *getattr(test, "workers", ())]
    return {each.__module__ for each in code if getattr(each, "__module__", None)}


def _name(test: Any) -> str:
    return str(getattr(test, "__qualname__", None) or getattr(test, "__name__", "test"))
