"""``flowy-sim explore`` as a user types it."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Invoke = Callable[..., Result]
Write = Callable[[str, str], None]

SHOP = """\
from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.explore import invariant

@activity("charge", 1, "payments", start_to_close=60, retry=2)
class Charge(Activity):
    def run(self, amount: int) -> str:
        raise NotImplementedError("nobody is charged by a test")

@workflow("purchase", 1, "purchases")
class Purchase(Workflow):
    charge = ActivityProxy(Charge)

    def run(self, amount: int):
        return self.charge(amount)

@activity("pack", 1, "parcels")
def pack(order):
    return order

def test_by_pytest(swf_run, swf_stub):
    raise NotImplementedError

def nothing():
    pass

def sells(runner):
    Charge.run = lambda self, amount: "EUR"
    run = runner(Purchase, 7)
    assert run.status == "COMPLETED", run.reason

def nobody_pays_twice(runner):
    paid = []
    runner.stubs(Charge, function=paid.append)
    runner(Purchase, 7)
    assert paid == [7], f"paid {paid}"
"""
NEXT = """\
from flowy import Activity, ActivityProxy, Workflow, activity, workflow

@activity("charge", 1, "payments", start_to_close=60, retry=2)
class Charge(Activity):
    def run(self, amount: int, currency: str = "EUR") -> str:
        return currency

@workflow("purchase", 1, "purchases")
class Purchase(Workflow):
    charge = ActivityProxy(Charge)

    def run(self, amount: int):
        if self.patched("currency"):
            return self.charge(amount, "USD")
        return self.charge(amount)
"""
CHECKS = """\
from flowy_sim.explore import invariant

@invariant
def nothing_is_charged_twice(run):
    assert len(run.calls("charge")) <= 1
"""


@pytest.fixture(autouse=True)
def shop(write: Write) -> None:
    write("shop.py", SHOP)
    write("checks.py", CHECKS)


def test_a_workflow_that_always_ends_is_found_clean(invoke: Invoke) -> None:
    ran = invoke("explore", "shop:Purchase", "7", "--most-faults", "1")
    assert ran.exit_code == 0
    assert ran.stdout.startswith("Exploring purchase 1.\nStubbed: charge 1.\n")
    assert "all of the space" in ran.stdout
    assert re.search(r"How executions ended:\n +\d+  purchase 1 COMPLETED: \"text\"", ran.stdout)


def test_a_failure_is_reported_and_its_last_line_repeats_it(invoke: Invoke) -> None:
    ran = invoke("explore", "shop:Purchase", "7", "--invariants", "checks")
    assert ran.exit_code == 1
    _, _, story = ran.stdout.partition("\n\n")
    assert len(story.splitlines()) <= 12
    assert story.startswith("nothing is charged twice: assert len(run.calls(")
    repeat = re.search(r"^repeat: flowy-sim (.+)$", story, re.MULTILINE)
    assert repeat is not None
    again = invoke(*shlex.split(repeat[1]))
    assert again.exit_code == 1
    told, _, _ = story.partition("found in")
    assert told in again.stdout
    assert "found in" not in again.stdout


def test_a_custom_test_is_explored(invoke: Invoke) -> None:
    ran = invoke("explore", "shop:nobody_pays_twice", "--fault", "worker-dies-late")
    assert ran.exit_code == 1
    assert "nobody pays twice: paid [7, 7]" in ran.stdout
    assert "! worker 1 (charge-1): the worker dies after the work, before it answers" in ran.stdout
    assert invoke("explore", "shop:nobody_pays_twice", "--fault", "none").exit_code == 0


def test_an_option_requires_that_everything_completes(invoke: Invoke) -> None:
    ran = invoke("explore", "shop:Purchase", "7", "--completes", "--fault", "work-fails")
    assert ran.exit_code == 0
    ran = invoke("explore", "shop:Purchase", "7", "--completes")
    assert ran.exit_code == 1
    assert len(re.findall(r"charge-1\.2 (?:times out|fails)", ran.stdout)) == 1


def test_signals_arrive_at_any_moment(invoke: Invoke) -> None:
    words = ("explore", "shop:Purchase", "7", "--fault", "none", "--signal", "hurry=now")
    ran = invoke(*words)
    assert "the signal 'hurry' arrives" in ran.stdout
    assert ran.exit_code == 0


def test_the_real_activities_run_on_request(invoke: Invoke) -> None:
    ran = invoke("explore", "shop:Purchase", "7", "--real", "--most-faults", "0")
    assert "NotImplementedError: nobody is charged by a test" in ran.stdout


def test_programs_read_json(invoke: Invoke) -> None:
    ran = invoke("explore", "shop:Purchase", "7", "--invariants", "checks", "--json")
    told = json.loads(ran.stdout)
    assert told["failure"]["repeat"].startswith("flowy-sim explore shop:Purchase 7 --invariants=")
    assert told["runs"] >= 1
    assert not told["complete"]


def test_what_the_code_prints_is_not_among_what_programs_read(invoke: Invoke, write: Write) -> None:
    _, refusal, _ = SHOP.partition('raise NotImplementedError("nobody is charged by a test")')
    write("loud.py", SHOP.replace(refusal, 'print("charged", flush=True)'))
    command = ("explore", "loud:Purchase", "7", "--real", "--fault", "none", "--json")
    explored = invoke(*command)
    assert json.loads(explored.stdout)["complete"]
    assert "charged" not in explored.stderr
    one_run = invoke(*command, "--choices", "")
    assert json.loads(one_run.stdout)["runs"] == 1
    assert "charged" in one_run.stderr


def test_the_tutorial_is_explored_by_default(invoke: Invoke) -> None:
    ran = invoke("explore", "--fault", "none")
    assert ran.exit_code == 0
    assert "Exploring imagecateg 1." in ran.stdout


LETTERS = """\
from flowy import LambdaProxy, Workflow, workflow

@workflow("letter", 1, "letters", lambda_role="arn:aws:iam::123456789012:role/prints")
class Letter(Workflow):
    print = LambdaProxy("print")

    def run(self):
        return [self.print("a letter").result(), self.signal("seal").result()]
"""


def test_lambda_functions_are_stubbed_and_signals_carry_json_or_text(
    invoke: Invoke, write: Write
) -> None:
    write("letters.py", LETTERS)
    for given, brought in (("red", '"red"'), ('{"wax": 1}', '{"wax": 1}')):
        ran = invoke("explore", "letters:Letter", "--fault", "none", "--signal", f"seal={given}")
        assert "Stubbed: lambda print." in ran.stdout
        assert f"letter 1 COMPLETED: [null, {brought}]" in ran.stdout
        assert "FAILED" not in ran.stdout


def test_faults_are_listed(invoke: Invoke) -> None:
    ran = invoke("explore", "--fault", "help")
    assert "worker-dies         the worker dies before it does the work\n" in ran.stdout
    assert "worker-dies-midway  the worker dies in the middle of the work\n" in ran.stdout
    assert "gradual-deploy=…    old and new code overlap\n" in ran.stdout


def test_old_and_new_code_run_side_by_side(invoke: Invoke, write: Write) -> None:
    write("shop_next.py", NEXT)
    new = "gradual-deploy=shop_next:Purchase,shop_next:Charge"
    ran = invoke("explore", "shop:sells", "--fault", new)
    assert ran.exit_code == 1, ran.stdout
    assert "old and new code overlap: Purchase, Charge" in ran.stdout
    assert "TypeError" in ran.stdout
    [line] = [each for each in ran.stdout.splitlines() if "--choices" in each]
    assert f"--fault={new}" in line
    ran = invoke("explore", "shop:sells", "--fault", "gradual-deploy=shop_next:Charge")
    assert ran.exit_code == 0, ran.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["shop:Purchase", "--fault", "rain"],
            "There is no fault 'rain'; --fault help lists them.",
        ),
        (["shop:Purchase", "--fault", "restrt"], "the nearest is restart"),
        (["shop:Purchase", "--fault", "deploy=shop:None"], "names no code as 'shop:None'"),
        (["shop:Purchase", "--fault", "gradual-deploy"], "names no code as ''"),
        (["shop:Purchase", "seven"], "(amount) of purchase 1 does not match its type hint"),
        (["shop:Purchase", "7", "--shard", "5/3"], "shard must be like '3/16'"),
        (
            ["shop:Purchase", "7", "--write-test", "nowhere/x.py"],
            "folder of the test does not exist",
        ),
        (["shop:Purchase", "7", "--corpus", "shop.py"], "corpus='shop.py' cannot be used"),
        (["shop:Purchase", "7", "--executor", "shop:none"], "shop:none is not a function"),
        (["shop:Purchase", "7", "--executor", "shop:nothing"], "shop:nothing, returns None"),
        (["--decider", "shop:nothing", "--start", "x:1"], "x 1 is not registered in the domain"),
        (["shop:Purchase", "7", "8"], "does not accept these arguments"),
        (["shop:Nothing"], "its workflows: Purchase"),
        (["shop:Purchase", "7", "--ends-within", "-5"], "takes a number of seconds or derived"),
        (["--merge", "shop.py"], "shop.py is not the report of a shard"),
        (["shop:nobody_pays_twice", "7"], "A test receives a runner; leave other arguments out."),
        (["shop:Purchase", "7", "--choices", "turn"], "choices are written like"),
        (
            ["shop:test_by_pytest"],
            "shop:test_by_pytest has the parameters (swf_run, swf_stub), but",
        ),
        (["shop:pack", "7"], "shop:pack is an activity; name a workflow, or a test"),
        (
            ["shop:Purchase", "7", "--signal", "=7"],
            "--signal takes NAME, NAME=VALUE or NAME@SECONDS",
        ),
        (["nowhere:Purchase"], "there is no module 'nowhere'"),
        (["shop:Purchase", "7", "--invariants", "nowhere"], "there is no module 'nowhere'"),
    ],
)
def test_wrong_arguments_are_reported_in_a_sentence(
    invoke: Invoke, words: list[str], sentence: str
) -> None:
    ran = invoke("explore", *words)
    assert ran.exit_code == 2, "1 is the status of a failure that was found"
    assert sentence in ran.stderr
    assert "Traceback" not in ran.output


GAPS = """
from flowy import Workflow, workflow

@workflow("wrap", 1, "wrappings")
class Wrap(Workflow):
    def run(self, paper: str):
        if paper == "red":
            return "ribbon"
        return "string"
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs sys.monitoring")
def test_lines_that_no_run_has_reached_are_named_also_of_all_shards_together(
    invoke: Invoke, write: Write, tmp_path: Path
) -> None:
    write("gaps.py", GAPS)
    command = ("explore", "gaps:Wrap", "blue", "--fault", "decider-dies")
    assert "\nLines never run: gaps.py:8\n" in invoke(*command).stdout
    reports = []
    for number in (1, 2):
        ran = invoke(*command, "--shard", f"{number}/2", "--json")
        path = tmp_path / f"{number}.json"
        path.write_text(ran.stdout, encoding="utf-8")
        reports.append(str(path))
    [file] = json.loads(ran.stdout)["code"].values()
    assert file["lines_never_run"] == [8]
    assert "\nLines never run: gaps.py:8\n" in invoke("explore", "--merge", *reports).stdout


def test_a_page_about_the_exploration_is_written_on_request(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    command = ("explore", "shop:nobody_pays_twice", "--fault", "worker-dies-late")
    ran = invoke(*command, "--report", str(path))
    assert ran.exit_code == 1
    assert ran.stdout.endswith(f"The report is in {path}\n")
    assert "When was the run lost?" in path.read_text(encoding="utf-8")
    repeat = re.search(r"--choices (\'.+\')", ran.stdout)
    assert repeat is not None
    path.unlink()
    invoke(*command, "--report", str(path), "--redact", *shlex.split(f"--choices {repeat[1]}"))
    assert "are redacted in this file" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--redact"], "add --report FILE"),
        (["--report", "nowhere/page.html"], "The folder of the report does not exist"),
        (["--report", "page.html", "--merge"], "leave --report out"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_at_once(
    invoke: Invoke, given: list[str], message: str
) -> None:
    ran = invoke("explore", "shop:Purchase", "7", *given)
    assert ran.exit_code == 2
    assert message in ran.stderr
    assert not ran.stdout
