"""Take the picture of a terminal in the README: `python docs/_terminal.py` writes it.

It loads no font from elsewhere, unlike the pictures that rich takes by default.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parent / "images" / "run.svg"

_COMMAND = "flowy-sim run"
_WIDTH = 84
_FONT_FACES = re.compile(r"@font-face \{\{.*?\}\}\n", re.DOTALL)
_FORMAT = _FONT_FACES.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code,", "")


def picture() -> str:
    """Return the picture of the command that the README begins with, and its output."""
    console = Console(record=True, width=_WIDTH, file=StringIO(), force_terminal=True)
    console.print(Text(f"$ {_COMMAND}", style="bold"))
    console.print(Text.from_ansi(_output()))
    return console.export_svg(title=_COMMAND, code_format=_FORMAT, unique_id="run")


def _output() -> str:
    settings = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(_WIDTH)}
    settings["PYTHONIOENCODING"] = "utf-8"
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [sys.executable, "-m", "flowy_sim", *_COMMAND.split()[1:]],
            cwd=folder,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        )
        text = ran.stdout.replace(os.path.realpath(folder), "/home/you")
    # The real time of a run is the only thing that differs between two of them.
    return re.sub(r" passed in [\d.]+ m?s", " passed", text.partition("\nTry next:")[0])


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
