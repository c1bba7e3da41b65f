"""The command ``flowy-sim``, also as ``python -m flowy_sim``."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line, or print how to install what it needs."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # The command should not fail because of a character that the terminal cannot show.
            stream.reconfigure(errors="backslashreplace")
    try:
        from flowy_sim._cli import cli

        if None in (sys.stdin, sys.stdout, sys.stderr):
            from flowy._cli.common import open_missing_streams

            open_missing_streams()
        cli(prog_name="flowy-sim")
    except KeyboardInterrupt:  # While it was being imported.
        sys.exit(130)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        from flowy._installation import install_command

        command = install_command("cli")
        sys.exit(f"flowy-sim's command line needs {missing}; install it: {command}")


if __name__ == "__main__":
    main()
