"""The command ``flowy``, also available as ``python -m flowy``."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line, or print how to install what it needs."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # IDs may have characters that the terminal cannot show.
            stream.reconfigure(errors="backslashreplace")
    try:
        from flowy._cli import cli
        from flowy._cli.common import open_missing_streams
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        from flowy._installation import install_command

        sys.exit(f"flowy's command line needs click; install it: {install_command('cli')}")
    if None in (sys.stdin, sys.stdout, sys.stderr):
        open_missing_streams()
    cli()


if __name__ == "__main__":
    main()
