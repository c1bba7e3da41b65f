from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from flowy.tutorial import storage
from flowy_sim._cli import cli

# Before click 8.2 standard error is mixed with the output unless this is said.
APART = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}

Invoke = Callable[..., Result]
Write = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Change to an empty folder; modules in it can be imported, and are unloaded afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv(storage.SETTING, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def replayed_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay nothing in another process after an exploration: one starts as slowly as 100 runs."""
    monkeypatch.setattr("flowy_sim.explore._other_process._MOST_RUNS", 0)


@pytest.fixture
def write(folder: Path) -> Write:
    """Write a file of Python."""

    def write(path: str, text: str) -> None:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")

    return write


@pytest.fixture
def invoke() -> Invoke:
    """Run a command of ``flowy-sim`` in this process."""

    def invoke(*words: str, **options: object) -> Result:
        return CliRunner(**APART).invoke(cli, list(words), **options)

    return invoke


@pytest.fixture
def shop(write: Write) -> None:
    """Write a package with workflows and activities of all kinds."""
    write("shop/__init__.py", "")
    write(
        "shop/activities.py",
        """\
        from flowy import Activity, activity

        @activity("price", 1, "shop")
        class Price(Activity):
            def run(self, *items):
                print("pricing", *items)
                return 10 * len(items)

        @activity("fail", 1, "shop")
        class Fail(Activity):
            def run(self):
                raise RuntimeError("sold out")

        @activity("interrupt", 1, "shop")
        class Interrupt(Activity):
            def run(self):
                raise KeyboardInterrupt
        """,
    )
    write(
        "shop/orders.py",
        """\
        from flowy import ActivityProxy, Retry, Workflow, workflow

        @workflow("order", 1, "decisions")
        class Order(Workflow):
            price = ActivityProxy("price", 1)

            def run(self, *items):
                return {"items": items, "price": self.price(*items).result()}

        @workflow("refund", 1, "decisions")
        class Refund(Workflow):
            fail = ActivityProxy("fail", 1, retry=Retry(2, 3600))

            def run(self):
                return self.fail().result()

        @workflow("lost", 1, "decisions")
        class Lost(Workflow):
            courier = ActivityProxy("courier", 1)

            def run(self):
                return self.courier().result()

        @workflow("leaver", 1, "decisions")
        class Leaver(Workflow):
            def run(self):
                raise SystemExit(0)

        @workflow("interrupted", 1, "decisions")
        class Interrupted(Workflow):
            interrupt = ActivityProxy("interrupt", 1)

            def run(self):
                return self.interrupt().result()

        class Undecorated(Workflow):
            pass
        """,
    )
