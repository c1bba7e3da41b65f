"""A check that another distribution has not replaced the files of the package ``flowy``."""

from __future__ import annotations

import os
from importlib.util import find_spec


# The same check as in flowy/_installation.py, which may be one of the files that were replaced.
def refuse_older_flowy(folder: str) -> None:
    """Check that the older distribution called ``flowy`` has not been installed over this one.

    Args:
        folder: where the package ``flowy`` is installed.

    Raises:
        ImportError: the other distribution is there.
    """
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if name.lower().startswith("flowy-") and name.endswith((".dist-info", ".egg-info")):
            version = os.path.splitext(name)[0].split("-")[1]
            raise ImportError(
                f"The unrelated distribution flowy {version} is installed in {folder}. "
                "It and flowy-sim overwrite each other's files. Uninstall both and install "
                "flowy-sim again: pip uninstall -y flowy flowy-sim",
                name="flowy",
            )


def _check() -> None:
    here = os.path.dirname(os.path.dirname(__file__))
    refuse_older_flowy(here)
    # Found, not imported: importing the package of the other distribution can fail in any way.
    spec = find_spec("flowy")
    if spec is None or spec.origin is None:
        raise ImportError(
            "The package flowy is missing or incomplete, as after uninstalling another "
            "distribution of that name. Install flowy-sim again: pip uninstall -y flowy-sim",
            name="flowy",
        )
    there = os.path.dirname(os.path.dirname(spec.origin))
    if there != here:
        refuse_older_flowy(there)


_check()
