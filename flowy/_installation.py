"""The installed distribution: what its extras need, and another one that overwrites its files."""

from __future__ import annotations

import re
from pathlib import Path

DISTRIBUTION = "flowy-sim"
"""The name of the distribution, for pip and for the metadata of installed packages."""


def install_command(*extras: str) -> str:
    """Return the shell command that installs what extras of this distribution need.

    It names the libraries, not the distribution, so it works wherever the distribution came from:
    a checkout, a wheel or an index.

    Args:
        extras: names as in ``[project.optional-dependencies]``.
    """
    from importlib.metadata import PackageNotFoundError, requires  # This takes milliseconds.

    try:
        requirements = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return f"pip install '.[{','.join(extras)}]' (in a checkout)"
    marked = [re.split(r"\s*;\s*extra\s*==\s*", each) for each in requirements]
    needed = [each[0] for each in marked if each[1:] and each[1].strip("'\"") in extras]
    return " ".join(["pip install", *(f"'{each}'" for each in needed)])


# flowy_sim/_older_flowy.py holds the same check: it must also work when the other distribution has
# replaced the files of this package.
def refuse_older_flowy(folder: Path) -> None:
    """Check that the older distribution called ``flowy`` has not been installed over this one.

    Both have a package called ``flowy``, and pip overwrites files without a warning. The check
    lists one folder; ``importlib.metadata`` would cost every import a hundred times as much.

    Args:
        folder: where the package ``flowy`` is installed.

    Raises:
        ImportError: the other distribution is there.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.lower().startswith("flowy-") and path.suffix in (".dist-info", ".egg-info"):
            version = path.stem.split("-")[1]
            raise ImportError(
                f"The unrelated distribution flowy {version} is installed in {folder}. "
                f"It and {DISTRIBUTION} overwrite each other's files. Uninstall both and install "
                f"{DISTRIBUTION} again: pip uninstall -y flowy {DISTRIBUTION}",
                name="flowy",
            )


refuse_older_flowy(Path(__file__).parent.parent)
