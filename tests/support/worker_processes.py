"""Workers for processes in the tests: they leave files behind."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path


class Lasting:
    """A worker that works until it is stopped, and then leaves a file."""

    task_list = "any"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stopping = threading.Event()

    def loop(self) -> None:
        (self._folder / f"works-{os.getpid()}").touch()
        if len(list(self._folder.glob("works-*"))) >= 2 and first(self._folder / "asked"):
            os.kill(os.getppid(), signal.SIGTERM)
        while not self._stopping.wait(0.5):
            pass  # Python handles signals in the main thread only, when it wakes up.
        (self._folder / f"stopped-{os.getpid()}").touch()

    def stop(self) -> None:
        self._stopping.set()


def crashing_once(folder: Path) -> list[Lasting]:
    """Die silently the first time; work every other time."""
    if first(folder / "crashed"):
        os._exit(3)
    return [Lasting(folder)]


def first(path: Path) -> bool:
    """Whether this process is the first to call this."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Stubborn(Lasting):
    """A worker that does not stop."""

    def loop(self) -> None:
        os.kill(os.getppid(), signal.SIGINT)
        while True:
            self._stopping.wait(0.5)

    def stop(self) -> None:
        os.kill(os.getppid(), signal.SIGINT)


def stubborn(folder: Path) -> list[Stubborn]:
    return [Stubborn(folder)]


def always_crashing(folder: Path) -> list[Lasting]:
    """Die by a signal; the fourth time let the others stop first."""
    born = len(list(folder.iterdir()))
    (folder / f"born-{born}").touch()
    if born == 3:
        os.kill(os.getppid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGKILL)
    return []
