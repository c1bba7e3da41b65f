"""Every option of ``flowy-sim serve`` can be set as an environment variable."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from flowy_sim._cli import cli
from flowy_sim._cli import serve as command

OPTIONS = [each for each in command.params if isinstance(each, click.Option)]


def in_python(code: str) -> list[str]:
    """A command line that runs a program beside the server."""
    return ["serve", "--", sys.executable, "-c", code]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.opts[0])
def test_help_names_a_variable_for_each_option(option: click.Option) -> None:
    name = option.opts[0].removeprefix("--").upper().replace("-", "_")
    shown = " ".join(CliRunner().invoke(cli, ["serve", "--help"]).output.split())
    assert re.search(rf"{option.opts[0]} [^\[]*.*?env var: FLOWY_SIM_{name}\b", shown)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("FLOWY_SIM_PORT", "99999", "'--port'"),
        ("FLOWY_SIM_LATENCY", "much", "'--latency'"),
        ("FLOWY_SIM_CLOCK", "fast", "fast"),
        ("FLOWY_SIM_LIMIT", "open_timers=5 nonsense=1", "nonsense"),
        ("FLOWY_SIM_KEYS", "no-such-file.json", "'--keys'"),
    ],
)
def test_a_wrong_value_is_refused_as_on_the_command_line(
    variable: str, value: str, message: str
) -> None:
    result = CliRunner(env={variable: value}).invoke(cli, in_python("pass"))
    assert result.exit_code == 2
    assert message in result.stderr


def test_the_command_line_comes_before_the_environment() -> None:
    environment = {"FLOWY_SIM_PORT": "99999", "FLOWY_SIM_CLOCK": "fast"}
    arguments = in_python("pass")
    arguments[1:1] = ["--port", "0", "--clock", "virtual"]
    assert CliRunner(env=environment).invoke(cli, arguments).exit_code == 0


@pytest.mark.slow
def test_settings_from_the_environment_are_kept_in_a_new_file_and_compared_with_an_old_one(
    tmp_path: Path,
) -> None:
    file = tmp_path / "swf.db"
    environment = {"FLOWY_SIM_DB": str(file), "FLOWY_SIM_CLOCK": "virtual"}
    register = ["serve", "--", sys.executable, "-m", "flowy", "register-domain"]
    assert CliRunner(env=environment).invoke(cli, [*register, "shop"]).exit_code == 0
    environment.pop("FLOWY_SIM_CLOCK")
    assert CliRunner(env=environment).invoke(cli, [*register, "photos"]).exit_code == 0
    environment["FLOWY_SIM_CLOCK"] = "x2"
    refused = CliRunner(env=environment).invoke(cli, [*register, "more"])
    assert refused.exit_code == 1
    assert "clock" in refused.stderr
