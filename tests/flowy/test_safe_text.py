from __future__ import annotations

import io
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowy
import flowy_sim
import flowy_sim._server.server
import flowy_sim.testing
from flowy._safe_text import SafeFormatter, safe_lines, safe_logger, safe_text
from tests.support.hostile_text import WORST, hostile_texts, problems_of

SOURCES = [
    path
    for package in (flowy, flowy_sim)
    for path in Path(str(package.__file__)).parent.rglob("*.py")
]
LOGGERS = sorted(
    name
    for path in SOURCES
    for name in re.findall(r'safe_logger\("(.*?)"\)', path.read_text(encoding="utf-8"))
)


@given(hostile_texts())
def test_any_text_becomes_one_harmless_line(text: str) -> None:
    shown = safe_text(text)
    assert not problems_of(shown)
    assert "\n" not in shown
    assert shown.encode().decode() == shown
    assert safe_text(shown) == shown


@given(hostile_texts())
def test_in_ascii_any_text_becomes_printable_ascii(text: str) -> None:
    shown = safe_text(text, ascii=True)
    assert shown.isascii()
    assert shown.isprintable() or not shown


@given(hostile_texts(), st.integers(1, 20))
def test_a_limit_holds_for_what_is_kept_of_the_text(text: str, limit: int) -> None:
    kept = safe_text(text, limit)
    plain = safe_text("x" * len(text), limit)
    assert len(plain) <= limit
    assert not problems_of(kept)


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert safe_text(text) == text


def test_very_long_text_keeps_its_beginning_and_its_end() -> None:
    shown = safe_text("begin" + "x" * 32_768 + "end", 20)
    assert len(shown) == 20
    assert shown.startswith("begin")
    assert shown.endswith("end")


@given(hostile_texts())
def test_lines_and_tabs_are_kept_where_text_has_lines(text: str) -> None:
    shown = safe_lines(text)
    assert not problems_of(shown)
    assert shown.count("\n") == text.count("\n")


# Logs


def logged(name: str, text: str, *, error: bool) -> str:
    """Return what an ordinary handler writes of a record."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    try:
        try:
            raise ValueError(text)
        except ValueError as problem:
            logger.error("%s: %s after %d", text, problem, 3, exc_info=error)
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
    return stream.getvalue()


def test_all_loggers_make_text_harmless() -> None:
    assert len(LOGGERS) >= 10
    # The others are only used to set levels or handlers, or write what json.dumps or repr escapes.
    names = r'"(flowy|botocore|flowy_sim\.(access|lambda_functions))"|name|'
    silent = rf"getLogger\(({names})\)"
    for path in SOURCES:
        for line in path.read_text(encoding="utf-8").splitlines():
            assert "getLogger(" not in line or re.search(silent, line), (path, line)


@pytest.mark.parametrize("name", sorted(set(LOGGERS)))
@given(text=hostile_texts())
def test_a_log_record_is_one_harmless_line_with_any_formatter(name: str, text: str) -> None:
    written = logged(name, text, error=False)
    assert not problems_of(written)
    assert written.count("\n") == 1
    assert written.startswith("ERROR ")
    assert written.endswith(" after 3\n")


@given(hostile_texts())
def test_no_line_of_a_traceback_looks_like_a_record(text: str) -> None:
    written = logged("flowy.workers", text, error=True)
    assert not problems_of(written)
    first, *others = written.removesuffix("\n").split("\n")
    assert first.startswith("ERROR ")
    assert others
    assert all(line.startswith("  ") for line in others)


@given(hostile_texts())
def test_what_commands_log_for_other_loggers_is_harmless_as_well(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as error:
        found = (ValueError, error, error.__traceback__)
    record = logging.LogRecord(text, logging.INFO, "", 1, "%s", (text,), found)
    written = SafeFormatter("%(name)s %(message)s").format(record)
    assert not problems_of(written)
    assert all(line.startswith("  ") for line in written.split("\n")[1:])


def test_a_logger_is_made_safe_once() -> None:
    logger = safe_logger("tests.twice")
    assert safe_logger("tests.twice") is logger
    assert len(logger.filters) == 1
    assert WORST not in logged("tests.twice", WORST, error=False)
