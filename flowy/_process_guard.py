"""The process between a worker and a command: it ends the command with everything it started.

`ActivityContext.run_process` runs this file with ``python -I -S``, so it imports little and nothing
of flowy. It holds the reading end of a pipe whose writing end only the worker has. When the pipe
closes, the worker has given up the command or is dead, even by SIGKILL; then the command's process
group is ended. The operating system closes the pipe in every case, which no signal handler in the
worker could promise.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

_NOT_FOUND = 127  # As shells exit.
_SIGNALED = 128
_POLL_SECONDS = 0.05


def main(arguments: list[str]) -> int:
    """Run a command; return its exit status as a shell reports it.

    Args:
        arguments: the descriptor of the pipe, the seconds between SIGTERM and SIGKILL, and the
            command.
    """
    pipe, grace = int(arguments[0]), float(arguments[1])
    command = arguments[2:]
    # The end of the command closes this pipe, so one `select` waits for either pipe.
    ended, kept = os.pipe()
    os.set_inheritable(pipe, False)
    for number in (signal.SIGINT, signal.SIGTERM):  # The worker may ignore them.
        signal.signal(number, signal.SIG_DFL)
    try:
        child = subprocess.Popen(command, process_group=0)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(_nonblocking(kept), warn_on_full_buffer=False)
    while child.poll() is None:
        ready, _, _ = select.select([pipe, ended], [], [])
        if pipe in ready:
            break
        os.read(ended, 4096)
    _end_group(child, grace if child.poll() is None else 0.0)
    status = child.wait()
    return _SIGNALED - status if status < 0 else status


def _nonblocking(descriptor: int) -> int:
    os.set_blocking(descriptor, False)
    return descriptor


def _end_group(child: subprocess.Popen[bytes], grace: float) -> None:
    """End all processes of a group: first with SIGTERM, and those that are left with SIGKILL."""
    deadline = time.monotonic() + grace
    if grace and _signal_group(child.pid, signal.SIGTERM):
        while time.monotonic() < deadline:
            child.poll()  # Otherwise the ended leader counts as a member of the group.
            if not _signal_group(child.pid, 0):
                return
            time.sleep(_POLL_SECONDS)
    _signal_group(child.pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether it has any members."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # A member has become another user's.
        return True
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
