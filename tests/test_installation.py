from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

from flowy import _installation
from flowy._installation import DISTRIBUTION, install_command
from flowy_sim import _older_flowy

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXTRAS = set(metadata(DISTRIBUTION).get_all("Provides-Extra") or ())


def python(*arguments: str, path: list[Path]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def packages_in(folder: Path, *names: str) -> Path:
    """A folder such as site-packages, with packages of this checkout in it."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(ROOT / name)
    return folder


def older_flowy_in(folder: Path) -> Path:
    """The same with the metadata of the older distribution."""
    (folder / "flowy-0.4.1.dist-info").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("package", ["flowy", "flowy_sim"])
def test_an_older_flowy_in_the_same_folder_is_reported_in_one_message(
    tmp_path: Path, package: str
) -> None:
    folder = older_flowy_in(packages_in(tmp_path / "site", "flowy", "flowy_sim"))
    ran = python("-c", f"import {package}", path=[folder])
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == (
        f"ImportError: The unrelated distribution flowy 0.4.1 is installed in {folder}. It and "
        "flowy-sim overwrite each other's files. Uninstall both and install flowy-sim again: "
        "pip uninstall -y flowy flowy-sim"
    )
    assert ran.stderr.count("Traceback") == 1


def test_flowy_sim_reports_an_older_flowy_that_python_finds_before_this_one(tmp_path: Path) -> None:
    older = older_flowy_in(tmp_path / "older")
    (older / "flowy").mkdir()
    (older / "flowy" / "__init__.py").write_text("this is not = Python 3")
    ran = python("-c", "import flowy_sim", path=[older, ROOT])
    assert f"flowy 0.4.1 is installed in {older}." in ran.stderr
    assert "SyntaxError" not in ran.stderr


def test_flowy_sim_reports_a_flowy_whose_files_were_removed(tmp_path: Path) -> None:
    folder = packages_in(tmp_path / "site", "flowy_sim")
    (folder / "flowy").mkdir()
    ran = python("-S", "-c", "import flowy_sim", path=[folder])
    assert "The package flowy is missing or incomplete" in ran.stderr


@pytest.mark.parametrize("name", ["flowy-0.4.1.dist-info", "Flowy-0.1.9-py3.11.egg-info"])
def test_both_packages_know_the_metadata_of_the_older_flowy(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ImportError, match=r"The unrelated distribution flowy 0\.[14.9]+ is"):
        _installation.refuse_older_flowy(tmp_path)
    with pytest.raises(ImportError, match=r"The unrelated distribution flowy 0\.[14.9]+ is"):
        _older_flowy.refuse_older_flowy(str(tmp_path))


@pytest.mark.parametrize("name", ["flowy_sim-0.1.0.dist-info", "flowy-images", "flowy_swf-1.egg"])
def test_other_names_are_not_taken_for_the_older_flowy(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    _installation.refuse_older_flowy(tmp_path)
    _older_flowy.refuse_older_flowy(str(tmp_path))
    _installation.refuse_older_flowy(tmp_path / "archive.zip")


def test_importing_does_not_import_the_slow_reader_of_metadata() -> None:
    script = "import sys, flowy, flowy_sim; print('importlib.metadata' in sys.modules)"
    assert python("-c", script, path=[ROOT]).stdout == "False\n"


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_a_command_to_install_an_extra_names_the_libraries_that_it_needs(extra: str) -> None:
    assert re.fullmatch(r"pip install( '[\w-]+(\[\w+\])?>=[\d.]+')+", install_command(extra))


def test_a_command_for_two_extras_installs_what_both_need() -> None:
    command = install_command("cli", "suspend")
    assert all(f"'{library}>=" in command for library in ("click", "rich", "greenlet"))
    assert "pillow" not in command


def test_without_metadata_a_command_installs_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.requires", requires)
    assert install_command("cli", "serve") == "pip install '.[cli,serve]' (in a checkout)"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_install_the_checkout_with_extras_that_exist(page: Path) -> None:
    if page == ROOT / "docs" / "install.md":  # The one page that shows the other ways.
        return
    text = page.read_text(encoding="utf-8")
    assert f"install {DISTRIBUTION}" not in text
    assert f"install '{DISTRIBUTION}" not in text
    for extras in re.findall(r"pip install (?:-\w+ )?'\.\[([\w,]+)\]'", text):
        assert set(extras.split(",")) <= EXTRAS


@pytest.mark.parametrize("package", ["flowy", "flowy_sim"])
def test_each_package_can_be_run_as_a_module(package: str) -> None:
    ran = python("-m", package, "--version", path=[ROOT])
    assert re.fullmatch(r"flowy(-sim)? \d+\.\d+\.\d+\n", ran.stdout), ran.stderr
