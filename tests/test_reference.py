"""The reference describes every public name, command and setting."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml

from flowy._cli import cli as flowy
from flowy_sim import Latency, Limits, Simulation
from flowy_sim._cli import cli as flowy_sim
from flowy_sim._cli.serve import serve
from flowy_sim._engine.limits import LIMIT_PRESETS
from flowy_sim._server.http import MAX_BODY
from flowy_sim._server.request_reader import MAX_BODIES
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.clock import DEFAULT_START
from flowy_sim.explore import find
from flowy_sim.explore._attempt import Setup
from flowy_sim.pytest_plugin import _fixtures
from flowy_sim.testing import Runner
from tests.support.public_api import MODULES, public_names

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))
pages = import_module("_pages")
terminal = import_module("_terminal")
sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    pages.assemble(folder)
    return folder


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for each, part in command.commands.items():
            yield from commands(f"{name} {each}", part)


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_on_the_page_of_its_module_or_linked_there(
    site: Path, module: str
) -> None:
    page = (site / "reference" / f"{module}.md").read_text(encoding="utf-8")
    for name in public_names(import_module(module)):
        home = pages.home(module, name)
        assert f"::: {module}.{name}\n" in page if home is None else f"`{home}`" in page


@pytest.mark.parametrize(
    ("name", "command"),
    [*commands("flowy", flowy), *commands("flowy-sim", flowy_sim)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_command_is_described_with_all_its_options(
    site: Path, name: str, command: click.Command
) -> None:
    text = (site / "reference" / "commands.md").read_text(encoding="utf-8")
    _, found, section = text.partition(f" `{name}`\n")
    assert found
    section = section.partition("\n## ")[0].partition("\n### ")[0]
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert all(re.search(rf"{re.escape(each)}\b", section) for each in option.opts)


def test_links_to_sources_lead_to_the_reference_and_other_files_become_text(site: Path) -> None:
    index = (site / "reference" / "index.md").read_text(encoding="utf-8")
    assert "[`flowy.activity`](flowy.activity.md)" in index
    assert "[Commands](commands.md)" in index
    teams = (site / "teams.md").read_text(encoding="utf-8")
    assert "compose.yaml](" not in teams
    assert "`compose.yaml`" in teams
    home = (site / "index.md").read_text(encoding="utf-8")
    assert "[Tutorial](tutorial.md)" in home


def test_long_lines_of_output_are_wrapped_and_drawings_are_not(site: Path) -> None:
    errors = (site / "errors.md").read_text(encoding="utf-8")
    assert "``` { .text .wrapped }\nRegistrationError: " in errors
    tutorial = (site / "tutorial.md").read_text(encoding="utf-8")
    assert "```text\n              ┌──> resize" in tutorial
    assert ".wrapped code {" in (site / "site.css").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "task",
    [
        "time out an activity",
        "test a signal",
        "migrate from moto",
        "run in GitHub Actions",
        "debug a non-determinism error in production",
    ],
)
def test_common_tasks_are_headings_of_the_pages_that_explain_them(site: Path, task: str) -> None:
    tasks = (site / "how-to.md").read_text(encoding="utf-8")
    (row,) = [line for line in tasks.splitlines() if line.startswith(f"| {task}")]
    (page, *_) = re.findall(r"\]\(([^)#]+)#", row)
    text = (site / page).read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(task)}", text, re.IGNORECASE | re.MULTILINE)


def test_search_finds_each_task_as_a_tag_of_the_page_that_explains_it(site: Path) -> None:
    text = (site / "how-to.md").read_text(encoding="utf-8")
    tasks = re.findall(r"^\| ([^|]+) \|.*\]\(", text, re.MULTILINE)
    tags = [
        tag
        for page in site.rglob("*.md")
        for found in re.findall(r"\A---\ntags: (.+)\n---\n", page.read_text(encoding="utf-8"))
        for tag in json.loads(found)
    ]
    assert sorted(tags) == sorted(tasks)


def test_all_pages_are_in_the_navigation(site: Path) -> None:
    configuration = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"^ +- (?:[^:\n]+: )?([\w./-]+\.md)$", configuration, re.MULTILINE))
    assert listed == {page.relative_to(site).as_posix() for page in site.rglob("*.md")}


def test_every_variable_and_option_is_on_the_page_about_configuration() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(FLOWY_\w+)`", page))
    options = [
        option
        for _, command in [*commands("flowy", flowy), *commands("flowy-sim", flowy_sim)]
        for option in command.params
    ]
    variables = {option.envvar for option in options if isinstance(option.envvar, str)}
    assert named == variables | {"FLOWY_TUTORIAL_RESULTS", "FLOWY_SIM_ENDPOINT"}
    assert {option.opts[0] for option in serve.params if isinstance(option, click.Option)} <= set(
        re.findall(r"`(--[\w-]+)`", page)
    )
    assert all(f"`{keyword}`" in page for keyword in _fixtures.KEYWORDS)


def test_every_quota_and_latency_is_on_the_page_about_configuration() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for field in dataclasses.fields(Limits):
        default = field.default if isinstance(field.default, bool) else f"{field.default:,}"
        assert re.search(rf"\| `{field.name}` \| `?{default}`? \|", page), field.name
    presets = {name for name, value in vars(Latency).items() if isinstance(value, Latency)}
    assert presets == set(re.findall(r"`Latency\.([A-Z]+)` \| `", page))


def test_the_glossary_is_in_alphabetical_order() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)[1:]
    assert words == sorted(words, key=str.casefold)


def test_every_option_of_the_plugin_is_on_the_page_about_configuration(
    pytestconfig: pytest.Config,
) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    known = {name for name in vars(pytestconfig.option) if name.startswith("swf_")}
    assert known
    assert {f"--{name.replace('_', '-')}" for name in known} == set(
        re.findall(r"`(--swf-[\w-]+)", page)
    )


def test_configuration_of_the_site_loads_nothing_from_elsewhere() -> None:
    text = re.sub(r"!!python/\S+", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    configuration = yaml.safe_load(text)
    assert configuration["strict"]
    assert configuration["theme"]["font"] is False
    assert "analytics" not in configuration["extra"]
    assert not re.search(r"https?://", text)


def shown(picture: str) -> str:
    """The characters of a picture; versions of rich lay them out differently."""
    return "".join(re.findall(r">([^<]+)</text>", picture)).replace("&#160;", "").replace("\n", "")


@pytest.mark.slow
def test_the_picture_of_a_terminal_shows_what_the_command_prints() -> None:
    taken = terminal.PICTURE.read_text(encoding="utf-8")
    assert "Filedas/home/you" in shown(taken)
    assert shown(terminal.picture()) == shown(taken), "run: python docs/_terminal.py"
    assert "url(http" not in taken


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("group", [flowy, flowy_sim], ids=["flowy", "flowy-sim"])
def test_help_fits_a_terminal_and_breaks_no_name(group: click.Group, width: int) -> None:
    for name, command in {"": group, **group.commands}.items():
        context = click.Context(command, info_name=name, terminal_width=width)
        for line in command.get_help(context).splitlines():
            assert len(line) <= width, (name, line)
            assert not re.search(r"\w-$", line), (name, line)


def cells(page: str, heading: str) -> dict[str, str]:
    """The second cell of each row of the table that follows a text, by the first cell."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    table = text.split(heading, 1)[1].split("\n\n|", 1)[1].split("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]
    return {each.strip("`"): row[1].strip("`") for row in rows for each in row[0].split(", ")}


def test_the_page_about_configuration_has_the_defaults_of_the_marker() -> None:
    shown = cells("configuration.md", "The marker `@pytest.mark.swf(…)` configures")
    parameters = {
        **inspect.signature(Simulation).parameters,
        **inspect.signature(Runner).parameters,
    }
    defaults = {
        name: parameters[name].default for name in (*_fixtures.SIMULATION, *_fixtures.RUNNER)
    }
    defaults["start"] = DEFAULT_START
    told = {name for name, value in defaults.items() if isinstance(value, str | int | float)}
    assert {"seed", "domain", "most_restarts", "patience", "freeze"} <= told
    told.remove("virtual_sleep")  # It is on, but only poll loops sleep.
    assert {name: shown[name] for name in told} == {
        name: f"{value:g}" if type(value := defaults[name]) is float else str(value)
        for name in told
    }


def test_the_page_about_exploring_has_the_defaults_of_the_code() -> None:
    shown = cells("exploring.md", "`explore=True` tries different orders without faults.")
    defaults = inspect.signature(find).parameters
    assert f"by default {defaults['most_faults'].default}" in shown["most_faults"]
    assert f"by default after {defaults['runs'].default:,} runs" in shown["runs"]
    assert f"or {defaults['seconds'].default:g} seconds" in shown["seconds"]
    assert f"by default {Setup().most_turns:,}" in shown["most_turns"]


def test_the_page_about_serving_has_the_limits_of_the_code() -> None:
    shown = cells("serving.md", "## Limits")
    settings, limits = ServerSettings(), Limits()
    assert shown["body of a request"] == f"{MAX_BODY:,} bytes"
    assert shown["bodies that are being sent"] == f"{MAX_BODIES // 1024**2} MiB"
    assert shown["time for a request to arrive"].startswith(f"{settings.request_seconds} seconds")
    assert shown["connections"].startswith(f"{settings.max_connections:,} ")
    assert shown["waiting polls"].startswith(
        f"{settings.max_polls:,} (`--max-polls`), and {limits.polls:,} on one task list"
    )
    assert shown["domains"].startswith(f"{limits.domains} ")
    assert shown["simulations"].startswith(f"{settings.max_simulations:,} ")


def test_the_page_about_configuration_has_the_values_of_presets() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    small, slow = LIMIT_PRESETS["small"], LIMIT_PRESETS["slow"]
    text = page.replace("\n", " ")
    assert (
        f"histories of {small.events} events, {small.open_activities} open tasks of each kind, and "
        f"payloads of {small.payload:,} characters"
    ) in text
    assert (slow.rates, slow.throttling) == (1, True)
    assert "one percent of the service's rates" in text
