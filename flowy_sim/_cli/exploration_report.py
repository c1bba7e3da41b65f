"""What ``flowy-sim explore`` prints: as text, as data, and merged from the reports of shards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flowy_sim.explore import Exploration

_MOST_ENDINGS = 10
_WIDTH = 80

Report = Mapping[str, Any]
"""The report of an exploration as data; see `as_data`."""


def lines(found: Exploration, is_one_run: bool) -> Iterator[str]:
    """Yield the report as lines of text.

    Args:
        found: the exploration.
        is_one_run: whether only one run was made, with given choices.
    """
    yield ""
    if found.failure is not None:
        yield str(found.failure)
        if not is_one_run:
            yield f"found in {found}"
        return
    yield "No failure." if is_one_run else f"No failure in {found}."
    if found.unreached:
        yield f"Note: {found.describe_unreached()}."
    if not is_one_run:
        yield from _notes(found.notes())
    yield from _endings(found.endings)


def as_data(found: Exploration, shard: str | None) -> Report:
    """Return the report as data for JSON.

    Args:
        found: the exploration.
        shard: which part of the space it has explored, such as ``3/16``; None for all of it.
    """
    failure = found.failure
    return {
        "runs": found.runs,
        "states": found.states,
        "seconds": round(found.seconds, 3),
        "runs_per_second": round(found.runs_per_second),
        "share": found.share,
        "complete": found.complete,
        "shard": shard,
        "endings": found.endings,
        "struck": found.struck,
        "never_struck": found.never_struck,
        "conditions": found.met,
        "code": found.code
        and {
            file.path: {
                "lines": file.lines,
                "lines_never_run": file.lines_never_run,
                "branches_never_taken": file.branches_never_taken,
            }
            for file in found.code
        },
        "failure": failure
        and {
            "error": f"{type(failure.error).__name__}: {failure.error}",
            "story": failure.story,
            "logged": failure.output,
            "repeat": failure.repeat,
            "repeats": failure.repeatable,
        },
    }


def merge(files: Sequence[str], as_json: bool) -> int:
    """Print what all shards together report; return the exit status.

    Raises:
        click.ClickException: a file is not the report of a shard, or they do not belong together.
    """
    from flowy._safe_text import safe_lines

    if not files:
        raise click.UsageError("Give the files of the shards' reports, which --json has written.")
    merged = _merged([_read(Path(each)) for each in files])
    text = json.dumps(merged, indent=2) if as_json else safe_lines("\n".join(_text(merged)))
    click.echo(text)
    return 0 if merged["failure"] is None else 1


def _read(path: Path) -> Report:
    try:
        report = json.loads(path.read_bytes())
        number, of = map(int, report["shard"].split("/"))
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise click.ClickException(
            f"{path} is not the report of a shard; write one with: flowy-sim explore … "
            "--shard K/N --json"
        ) from None
    return {**report, "number": number, "of": of}


def _merged(reports: Sequence[Report]) -> Report:
    """Return the report of all shards together.

    Raises:
        click.ClickException: shards are given twice, or are of different divisions.
    """
    divisions = {report["of"] for report in reports}
    if len(divisions) > 1:
        raise click.ClickException(
            f"These are shards of different divisions: {_and(divisions)}; merge those of one."
        )
    numbers = Counter(report["number"] for report in reports)
    twice = [number for number, count in numbers.items() if count > 1]
    if twice:
        raise click.ClickException(f"Several files are reports of shard {_and(twice)}.")
    (of,) = divisions
    missing = sorted(set(range(1, of + 1)) - set(numbers))
    failures = [report["failure"] for report in reports if report["failure"] is not None]
    return {
        "runs": sum(report["runs"] for report in reports),
        "states": sum(report["states"] for report in reports),
        "seconds": max(report["seconds"] for report in reports),
        "share": sum(report["share"] for report in reports),
        "complete": not missing and all(report["complete"] for report in reports),
        "shards": of,
        "missing": missing,
        "endings": sum((Counter(report["endings"]) for report in reports), Counter()),
        "code": _merged_code([report["code"] for report in reports if report["code"]]),
        "failure": failures[0] if failures else None,
        "failed": len(failures),
    }


def _merged_code(measured: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what no shard has run, of each file that any of them has measured."""
    merged: dict[str, Any] = {}
    for path in sorted({path for code in measured for path in code}):
        parts = [code[path] for code in measured if path in code]
        merged[path] = {
            name: sorted(set.intersection(*({*map(_hashable, each[name])} for each in parts)))
            for name in parts[0]
        }
    return merged


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _text(merged: Report) -> Iterator[str]:
    from flowy_sim.explore._code_coverage import CoveredFile, never_run
    from flowy_sim.explore._report import as_notes

    failure = merged["failure"]
    part = "all of the space" if merged["complete"] else f"{merged['share']:.1%} of the space"
    made = f"{merged['runs']:,} runs and {merged['states']:,} states in {merged['shards']} shards"
    if failure is None:
        yield f"No failure in {made}, {part}."
    else:
        yield failure["error"]
        yield from failure["story"]
        yield f"repeat: {failure['repeat']}"
        yield f"found in {made}; {merged['failed']} of them failed"
    if merged["missing"]:
        yield f"Note: the reports of these shards are missing: {_and(merged['missing'])}."
    if failure is None:
        files = [CoveredFile(path, **each) for path, each in merged["code"].items()]
        yield from _notes(as_notes(never_run(files)))
        yield from _endings(Counter(merged["endings"]))


def _notes(notes: Iterable[str]) -> Iterator[str]:
    for note in notes:
        yield from wrap(note, _WIDTH, subsequent_indent="    ")


def _endings(endings: Counter[str]) -> Iterator[str]:
    yield ""
    yield "How executions ended:"
    for ending, count in endings.most_common(_MOST_ENDINGS):
        yield f"{count:>8,}  {ending}"
    if len(endings) > _MOST_ENDINGS:
        others = len(endings) - _MOST_ENDINGS
        yield f"          and in {others} other way{'s' * (others > 1)}"


def _and(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
