"""Nothing that is imported exists on POSIX only, so the packages import on Windows too."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

pytestmark = pytest.mark.slow

#: Modules of the standard library that Windows does not have; those that it needs itself left out.
POSIX_ONLY = ("crypt", "curses", "fcntl", "grp", "nis", "ossaudiodev", "pty", "pwd", "readline")
POSIX_ONLY += ("resource", "spwd", "syslog", "termios", "tty")

SCRIPT = f"""
import sys
sys.modules.update(dict.fromkeys({POSIX_ONLY}))
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
"""


@pytest.mark.parametrize("package", ["flowy", "flowy_sim"])
def test_all_modules_can_be_imported_without_modules_that_only_posix_has(package: str) -> None:
    root = import_module(package)
    names = [each.name for each in pkgutil.walk_packages(root.__path__, f"{package}.")]
    names = [name for name in names if not name.endswith(".__main__")]
    assert len(names) > 40
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *names], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("command", ["flowy", "flowy_sim"])
def test_commands_start_without_modules_that_only_posix_has(command: str) -> None:
    script = f"{SCRIPT}\nfrom {command}.__main__ import main\nsys.argv[1:] = ['--help']\nmain()"
    ran = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "Commands:" in ran.stdout
