from __future__ import annotations

import http.client
import importlib
import json
import logging
import os
import pickle
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from flowy._determinism.guard import watched
from flowy.errors import FlowyError, UnrepeatableError

greenlet = pytest.importorskip("greenlet")


class Author:
    """Plays a workflow: each method does something with a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "present.txt"

    def connects(self) -> None:
        socket.create_connection(("127.0.0.1", 1))

    def resolves_a_name(self) -> None:
        socket.getaddrinfo("localhost", 80)

    def sends_a_datagram(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"count:1", ("127.0.0.1", 9))

    def downloads(self) -> None:
        urllib.request.urlopen("http://127.0.0.1:1/")

    def starts_a_process(self) -> None:
        subprocess.run([sys.executable, "-c", ""], check=True)

    def starts_a_shell(self) -> None:
        os.system("true")

    def opens_a_database(self) -> None:
        sqlite3.connect(self.folder / "new.db").close()

    def writes_a_file(self) -> None:
        with open(self.folder / "new.txt", "w"):
            pass

    def appends_to_a_file(self) -> None:
        with self.file.open("a"):
            pass

    def writes_by_a_library_of_python(self) -> None:
        shutil.copy(self.file, self.folder / "new.txt")

    def makes_a_temporary_file(self) -> None:
        with tempfile.TemporaryFile(dir=self.folder):
            pass

    def makes_a_folder(self) -> None:
        (self.folder / "new").mkdir()

    def removes_a_file(self) -> None:
        self.file.unlink()

    def renames_a_file(self) -> None:
        os.rename(self.file, self.folder / "new.txt")

    def does_so_in_a_helper(self) -> None:
        writes(self.folder / "new.txt")

    def does_so_in_a_comprehension(self) -> None:
        {writes(path): 1 for path in [self.folder / "new.txt"]}  # type: ignore[func-returns-value]


def writes(path: Path) -> None:
    path.write_text("new")


@pytest.fixture
def author(tmp_path: Path) -> Author:
    author = Author(tmp_path)
    author.file.write_text("{}")
    return author


def run(method: Callable[..., Any], *args: Any) -> list[UnrepeatableError]:
    """Run a method as a workflow is run, and return the unhandled error of the guard."""
    found: list[UnrepeatableError] = []
    watched(method, args, {}, found)
    return found


METHODS = [name for name in vars(Author) if not name.startswith("_")]


@pytest.mark.parametrize("name", METHODS)
def test_what_run_must_not_do_is_detected_before_it_takes_effect(author: Author, name: str) -> None:
    with pytest.raises(UnrepeatableError) as caught:
        run(getattr(author, name))
    assert caught.value.file == __file__
    assert caught.value.instead
    assert [path.name for path in author.folder.iterdir()] == ["present.txt"]
    assert author.file.read_text() == "{}"


@pytest.mark.parametrize("name", METHODS)
def test_outside_of_run_everything_is_allowed(author: Author, name: str) -> None:
    def innocent() -> int:
        return 3

    assert run(innocent) == []
    if name not in ("downloads", "connects"):
        getattr(author, name)()


def test_the_message_says_where_and_what_to_use_instead(author: Author) -> None:
    with pytest.raises(UnrepeatableError) as caught:
        run(author.does_so_in_a_helper)
    line = writes.__code__.co_firstlineno + 1
    assert str(caught.value) == (
        f"{__file__}, line {line}: a file opened for writing in the run of a workflow, which is "
        "replayed for each decision; use an activity instead"
    )
    assert isinstance(caught.value, FlowyError)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="sleeping is not audited before")
def test_sleeping_is_noticed() -> None:
    with pytest.raises(UnrepeatableError, match=r"use self\.sleep\(\) instead"):
        run(lambda: time.sleep(0))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="threads are not audited before")
@pytest.mark.parametrize("start", [threading.Thread.start, None])
def test_starting_a_thread_is_noticed(start: Callable[[Any], None] | None) -> None:
    def own() -> None:
        if start is not None:
            start(threading.Thread(target=str))
        else:
            ThreadPoolExecutor().submit(str)

    with pytest.raises(UnrepeatableError, match="another thread"):
        run(own)


def test_a_request_by_a_connection_that_was_open_before_is_noticed() -> None:
    class Socket:
        def sendall(self, data: object) -> None:
            raise AssertionError("it was sent")

    connection = http.client.HTTPConnection("example.com")
    connection.sock = Socket()
    with pytest.raises(UnrepeatableError, match="a network connection"):
        run(lambda: connection.request("GET", "/"))


def test_an_error_that_the_code_handles_is_still_reported(author: Author) -> None:
    def careless() -> str:
        try:
            author.connects()
        except Exception:
            return "went on"
        return "connected"

    (error,) = run(careless)
    assert error.what == "a network connection"


def test_arguments_and_result_are_passed_through() -> None:
    def add(one: int, *, other: int) -> int:
        return one + other

    assert watched(add, (1,), {"other": 2}, []) == 3


def test_an_exception_is_passed_through() -> None:
    def fails() -> None:
        raise ValueError("no such order")

    with pytest.raises(ValueError, match="no such order"):
        run(fails)


def test_the_error_travels_between_processes() -> None:
    error = UnrepeatableError("input()", "orders.py", 3, "a signal")
    other = pickle.loads(pickle.dumps(error))
    assert str(other) == str(error)
    assert (other.what, other.file, other.line, other.instead) == (
        "input()",
        "orders.py",
        3,
        "a signal",
    )


# What is not the workflow's doing.


def test_other_threads_are_not_affected(author: Author) -> None:
    inside, done = threading.Event(), threading.Event()
    found: list[UnrepeatableError] = []

    def waits() -> None:
        inside.set()
        assert done.wait(60)

    thread = threading.Thread(target=watched, args=(waits, (), {}, found))
    thread.start()
    assert inside.wait(60)
    try:
        author.writes_a_file()
        author.appends_to_a_file()
    finally:
        done.set()
        thread.join()
    assert found == []


def test_each_of_many_threads_gets_its_own_errors(author: Author) -> None:
    def one(number: int) -> int:
        found: list[UnrepeatableError] = []

        def mixed() -> None:
            for _ in range(number):
                with suppress(UnrepeatableError):
                    author.appends_to_a_file()

        watched(mixed, (), {}, found)
        author.appends_to_a_file()
        return len(found)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(40))) == list(range(40))


def test_only_the_greenlet_of_the_workflow_is_affected(author: Author) -> None:
    worker = greenlet.getcurrent()
    found: list[UnrepeatableError] = []

    def suspended() -> None:
        worker.switch("waits")
        author.writes_a_file()

    execution = greenlet.greenlet(lambda: watched(suspended, (), {}, found))
    assert execution.switch() == "waits"
    author.appends_to_a_file()
    author.appends_to_a_file()
    assert found == []
    with pytest.raises(UnrepeatableError):
        execution.switch()
    assert len(found) == 1
    author.appends_to_a_file()


def test_a_suspended_workflow_may_be_dropped(author: Author) -> None:
    worker = greenlet.getcurrent()
    cleaned = []

    def suspended() -> None:
        try:
            worker.switch()
        finally:
            cleaned.append(True)

    execution = greenlet.greenlet(lambda: watched(suspended, (), {}, []))
    execution.switch()
    del execution
    author.appends_to_a_file()
    assert cleaned == [True]


def module(name: str, file: str, code: str, **names: Any) -> ModuleType:
    """A module as if imported from a file."""
    made = ModuleType(name)
    vars(made).update(names)
    exec(compile(code, file, "exec"), vars(made))
    return made


def test_flowys_own_work_for_a_workflow_is_not_affected(author: Author) -> None:
    own = module("flowy._payloads.stores", "payloads.py", "def kept(store): store()")

    def stores_a_long_argument() -> None:
        own.kept(author.writes_a_file)

    assert run(stores_a_long_argument) == []


def test_files_of_a_library_are_ignored_but_its_connections_are_not(author: Author) -> None:
    code = """
import socket
def fill(): open(path, "w").close()
def send(): socket.create_connection(("127.0.0.1", 1))
"""
    path = author.folder / "cache"
    library = module("library.cache", "/site-packages/library.py", code, path=path)

    assert run(lambda: library.fill()) == []
    assert (author.folder / "cache").exists()
    with pytest.raises(UnrepeatableError, match="a network connection"):
        run(lambda: library.send())


def test_logging_to_a_file_or_the_network_is_allowed(author: Author) -> None:
    logger = logging.Logger("example")
    logger.addHandler(logging.FileHandler(author.folder / "log.txt", delay=True))
    # The port is closed: the handler prints the error itself and continues.
    from logging.handlers import SysLogHandler

    logger.addHandler(SysLogHandler(("127.0.0.1", 9)))

    def logs() -> None:
        logger.warning("order %d", 7)

    assert run(logs) == []
    for handler in logger.handlers:
        handler.close()
    assert (author.folder / "log.txt").read_text() == "order 7\n"


def test_importing_is_allowed(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    (author.folder / "imported_within_run.py").write_text("import os\nhere = os.listdir('.')")
    monkeypatch.syspath_prepend(author.folder)

    def imports() -> None:
        importlib.import_module("imported_within_run")

    assert run(imports) == []
    monkeypatch.delitem(sys.modules, "imported_within_run")


def test_finalizers_of_other_code_are_ignored(author: Author) -> None:
    class Holder:
        def __del__(self) -> None:
            author.writes_a_file()

    def collects() -> None:
        Holder()
        weakref.finalize(type("Other", (), {})(), author.appends_to_a_file)

    assert run(collects) == []
    assert (author.folder / "new.txt").exists()


def test_frozen_time_stays_as_it_is(author: Author) -> None:
    with freeze_time("2024-02-29 12:00:00") as frozen:
        before = time.time()

        def reads_the_clock() -> float:
            frozen.tick(5)
            return time.time()

        assert watched(reads_the_clock, (), {}, []) == before + 5
        with pytest.raises(UnrepeatableError):
            run(author.connects)
    assert time.time() > before + 5


def test_nothing_is_patched() -> None:
    before = (time.time, time.sleep, os.urandom, open, socket.socket, subprocess.Popen)
    run(lambda: None)
    assert (time.time, time.sleep, os.urandom, open, socket.socket, subprocess.Popen) == before


def test_a_process_ends_without_errors() -> None:
    program = """
import atexit, os, sys
from flowy._determinism.guard import watched
watched(lambda: None, (), {}, [])
class Late:
    def __del__(self, open=open, path=os.devnull):
        open(path, "w").close()
late = Late()
late.itself = late
atexit.register(lambda: open(os.devnull).close())
sys.modules["late"] = late
"""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=300
    )
    assert (ended.returncode, ended.stderr) == (0, "")


STEPS: dict[str, Callable[[dict[str, Any]], object]] = {
    "format": lambda state: f"{state!r:>30}",
    "json": lambda state: json.loads(json.dumps({"a": [1, {"b": None}]})),
    "sort": lambda state: sorted({"b": 1, "a": 2}.items()),
    "lock": lambda state: threading.RLock().acquire(),
    "log": lambda state: logging.getLogger("innocent").warning("step %s", state),
    "import": lambda state: importlib.import_module("colorsys").rgb_to_hsv(0.1, 0.2, 0.3),
    "zone": lambda state: ZoneInfo.no_cache("UTC").key,
    "read": lambda state: Path(__file__).read_text() and os.listdir("."),
    "path": lambda state: Path("a") / "b" / ".." / str(state),
    "raise": lambda state: state.get("x", [])[9:] or 1 / 1,
    "handle": lambda state: exec("try:\n  1/0\nexcept ZeroDivisionError: pass"),
    "copy": lambda state: importlib.import_module("copy").deepcopy(state),
    "environ": lambda state: os.environ.get("HOME"),
    "sleepless": lambda state: threading.Event().is_set(),
    "generate": lambda state: sum(number for number in range(20)),
    "class": lambda state: type("Made", (), {"a": 1})().a,
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_an_innocent_workflow_never_raises_an_alarm(steps: list[str]) -> None:
    def innocent() -> int:
        state: dict[str, Any] = {}
        for step in steps:
            state[step] = id(STEPS[step](state))
        return len(state)

    found: list[UnrepeatableError] = []
    assert watched(innocent, (), {}, found) == len(set(steps))
    assert found == []
