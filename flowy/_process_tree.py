"""Commands that an activity runs, and that end with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flowy.errors import ConfigurationError

_GUARD = Path(__file__).with_name("_process_guard.py")

_POLL_SECONDS = 0.5
"""How long it takes at most to notice that an activity should stop."""

_SPARE_SECONDS = 5.0
"""How long the guard may take to end a process group, beyond the grace."""

Command = Sequence[str | os.PathLike[str]]


def run_guarded(
    command: Command,
    goes_on: Callable[[], bool],
    grace: float,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
    capture_output: bool,
) -> subprocess.CompletedProcess[str] | None:
    """Run a command while an activity goes on.

    Args:
        command: the program and its arguments.
        goes_on: returns whether to continue; called about twice a second.
        grace: seconds between SIGTERM and SIGKILL.
        cwd: the working directory; None for the worker's.
        env: the environment; None for the worker's.
        capture_output: whether to return what the command writes.

    Returns:
        How the command ended; None if it was ended because the activity should stop.

    Raises:
        ConfigurationError: the system has no process groups.
    """
    if not hasattr(os, "killpg"):
        raise ConfigurationError(
            "run_process needs process groups, which this system does not have; start the command "
            "with psutil.Popen, and end its children when context.goes_on is False"
        )
    arguments = [os.fspath(part) for part in command]
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _GUARD, str(reading), str(grace), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture_output else None,
            stderr=subprocess.PIPE if capture_output else None,
            cwd=cwd,
            env=env,
            text=True,
            errors="replace",
            pass_fds=(reading,),
            # Ctrl-C in a terminal stops the worker after this task, so the command must finish.
            start_new_session=True,
        )
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    try:
        while True:
            try:
                written, errors = process.communicate(timeout=_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if not goes_on():
                    return None
            else:
                return subprocess.CompletedProcess(arguments, process.returncode, written, errors)
    finally:
        os.close(writing)  # The guard takes this as its order to end the command.
        try:
            process.communicate(timeout=grace + _SPARE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
