from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from flowy import replay
from flowy._installation import install_command
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim._report import timeline


def sentence(result) -> str:
    """Return the one sentence that a command ended with, and nothing else."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def photograph(name: str = "photo.jpg") -> str:
    Image.new("RGB", (300, 200), "red").save(name)
    return name


# The tutorial's workflow


def test_without_arguments_the_sample_is_filed_and_next_steps_are_suggested(invoke, folder):
    result = invoke("run")

    assert result.exit_code == 0
    filed = Path(result.stdout.splitlines()[0].removeprefix("Filed as "))
    assert filed.is_file()
    assert filed.is_relative_to(folder / "flowy-images")
    assert "imagecateg showcase · completed" in result.stdout
    assert "predominantcolor-2" in result.stdout
    assert "event 9  resize-1 failed: ImageError: the disk is full" in result.stdout
    assert "completed, try 2" in result.stdout
    assert "1 min 35 s of simulated time passed in " in result.stdout
    assert "Try next:\n  flowy-sim run photo.jpg" in result.stdout
    assert result.stderr == ""


def test_a_photograph_is_filed_under_its_colour(invoke, folder):
    result = invoke("run", photograph(), "64", "pictures")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Filed as {folder}/pictures/red/photo-")
    assert "Try next" not in result.stdout


def test_a_file_that_is_not_an_image_fails_the_execution_without_a_traceback(invoke, folder):
    (folder / "rubbish.jpg").write_text("rubbish")

    result = invoke("run", "rubbish.jpg")

    assert result.exit_code == 1
    assert "ImageError: rubbish.jpg: This is not an image" in result.stdout.splitlines()[0]
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "word", ["nope.jpg", r"C:\photo.jpg", "C:photo.jpg", "shop.orders", "shop/orders:Order", ":X"]
)
def test_a_word_that_is_neither_a_file_nor_a_url_nor_a_workflow_is_named(invoke, word):
    assert f"{word} is neither a file nor a URL" in sentence(invoke("run", word))


def test_a_folder_is_not_a_photograph(invoke, folder):
    (folder / "pictures").mkdir()

    assert "pictures is a folder" in sentence(invoke("run", "pictures"))


def test_a_url_goes_to_the_tutorials_workflow(invoke):
    result = invoke("run", "http://127.0.0.1:1/photo.jpg")

    assert result.exit_code == 1
    assert "http://127.0.0.1:1/photo.jpg: The server cannot be reached" in result.stdout


def test_a_file_may_be_called_like_a_number(invoke):
    Path(photograph()).rename("42")

    assert invoke("run", "42").exit_code == 0


def test_too_many_arguments_are_refused_in_a_sentence(invoke):
    refused = sentence(invoke("run", photograph(), "64", "pictures", "more"))

    assert "does not accept these arguments: too many positional arguments" in refused


def test_without_pillow_the_error_names_what_to_install(invoke, monkeypatch):
    from flowy_sim._cli import targets

    def scan(package):
        from flowy.errors import ConfigurationError

        raise ConfigurationError("…") from ModuleNotFoundError("…", name="PIL")

    monkeypatch.setattr(targets, "scan", scan)

    said = sentence(invoke("run"))
    assert f"needs PIL; install it: {install_command('tutorial')}" in said


# The user's own workflows


@pytest.mark.usefixtures("shop")
class TestAWorkflowOfOnesOwn:
    def test_runs_with_the_activities_of_its_package(self, invoke):
        result = invoke("run", "shop.orders:Order", "apple", "pear")

        assert result.exit_code == 0
        assert '"price": 20' in result.stdout
        assert "order 1 · completed" in result.stdout

    def test_gets_arguments_as_json_where_they_are_json(self, invoke):
        words = ["1", "-2.5", "true", "null", '"3"', "[4, {}]", "pear", "NaN", "{", "--", "- x"]

        result = invoke("run", "shop.orders:Order", "--json", "--", *words)

        items = [1, -2.5, True, None, "3", [4, {}], "pear", "NaN", "{", "--", "- x"]
        assert json.loads(result.stdout)["result"]["items"] == items

    def test_finds_activities_in_other_modules_that_are_named(self, invoke, write):
        write(
            "couriers.py",
            """\
            from flowy import Activity, activity

            @activity("courier", 1, "couriers")
            class Courier(Activity):
                def run(self):
                    return "delivered"
            """,
        )

        result = invoke("run", "shop.orders:Lost", "--activities", "couriers")

        assert result.stdout.startswith("delivered\n")

    def test_that_waits_forever_is_reported_with_what_it_waits_for(self, invoke):
        result = invoke("run", "shop.orders:Lost")

        assert result.exit_code == 1
        assert "courier 1 (courier-1)" in result.stdout
        assert "add modules with --activities MODULE" in result.stdout
        assert "lost 1 · open" in result.stdout

    def test_that_fails_shows_reason_traceback_and_attempts(self, invoke):
        result = invoke("run", "shop.orders:Refund")

        assert result.exit_code == 1
        assert "RuntimeError: sold out" in result.stdout.splitlines()[0]
        assert "activities.py" in result.stdout
        assert "failed, try 2" in result.stdout
        assert "1 h of simulated time passed in " in result.stdout

    @pytest.mark.parametrize("time", [(), ("--realtime",)])
    def test_whose_code_ends_the_program_has_failed(self, invoke, time):
        result = invoke("run", "shop.orders:Leaver", *time)

        assert result.exit_code == 1
        assert result.stdout.splitlines()[0].endswith(": SystemExit: 0")

    def test_can_be_interrupted(self, invoke):
        result = invoke("run", "shop.orders:Interrupted")

        assert result.exit_code == 130
        assert result.stderr == "Interrupted.\n"

    def test_that_is_missing_is_reported_in_one_sentence(self, invoke):
        refused = sentence(invoke("run", "shop.orders:Orders"))

        assert "'Orders' is not a workflow of the module 'shop.orders'" in refused
        assert "Order, Refund" in refused

    def test_that_is_not_decorated_is_reported_in_one_sentence(self, invoke):
        assert "'Undecorated' is not a workflow" in sentence(
            invoke("run", "shop.orders:Undecorated")
        )

    def test_in_a_missing_module_is_reported_in_one_sentence(self, invoke):
        assert "there is no module 'shop.order'" in sentence(invoke("run", "shop.order:Order"))

    def test_in_a_file_instead_of_a_module_is_explained(self, invoke):
        assert "leave out .py" in sentence(invoke("run", "shop.orders.py:Order"))
        assert "such as orders:Order" in sentence(invoke("run", "shop/orders.py"))

    def test_runs_in_real_time(self, invoke):
        result = invoke("run", "shop.orders:Order", "apple", "--realtime", "--workers", "1")

        assert result.exit_code == 0
        assert '"price": 10' in result.stdout
        assert "It took " in result.stdout

    def test_that_waits_forever_in_real_time_is_reported_with_what_it_waits_for(
        self, invoke, monkeypatch
    ):
        monkeypatch.setattr("flowy_sim._cli.live._QUIET_SECONDS", 0.0)

        result = invoke("run", "shop.orders:Lost", "--realtime")

        assert result.exit_code == 1
        assert "courier 1 (courier-1)" in result.stdout

    def test_prints_only_json_on_request(self, invoke):
        result = invoke("run", "shop.orders:Order", "apple", "--json")

        printed = json.loads(result.stdout)
        assert list(printed) == [
            "status",
            "result",
            "workflowId",
            "runId",
            "events",
            "simulatedSeconds",
            "realSeconds",
        ]
        assert printed["status"] == "COMPLETED"
        assert printed["result"] == {"items": ["apple"], "price": 10}
        assert printed["workflowId"] == "order-1"
        assert printed["simulatedSeconds"] == 0
        assert printed["realSeconds"] >= 0
        assert timeline.text(printed["events"]).startswith("order 1 · completed")

    def test_that_fails_says_why_in_json(self, invoke):
        result = invoke("run", "shop.orders:Refund", "--json")

        assert result.exit_code == 1
        printed = json.loads(result.stdout)
        assert (printed["status"], printed["result"]) == ("FAILED", None)
        assert "RuntimeError: sold out" in printed["error"]["reason"]
        assert printed["simulatedSeconds"] == 3600

    def test_that_waits_forever_says_so_in_json(self, invoke):
        result = invoke("run", "shop.orders:Lost", "--json")

        assert result.exit_code == 1
        printed = json.loads(result.stdout)
        assert printed["status"] == "OPEN"
        assert "courier 1" in printed["error"]["reason"]


# Modules that cannot be imported


def test_a_mistake_in_a_module_is_shown_where_it_is(invoke, write):
    write("mistaken.py", "def help():\n    return unknown_name\n\nhelp()\n")

    result = invoke("run", "mistaken:Order")

    assert result.exit_code == 1
    assert 'mistaken.py", line 2, in help' in result.stderr
    assert "importlib" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: the module 'mistaken' cannot be imported: NameError")


def test_a_module_that_needs_another_one_is_reported_in_one_sentence(invoke, write):
    write("needy.py", "import not_installed\n")

    refused = sentence(invoke("run", "needy:Order"))

    assert "the module 'needy' needs 'not_installed', which is not installed" in refused


def test_a_module_that_ends_the_program_is_reported_in_one_sentence(invoke, write):
    write("script.py", "raise SystemExit(0)\n")

    assert "importing the module 'script' exits the program" in sentence(invoke("run", "script:X"))


# Histories


def test_a_saved_history_can_be_replayed(invoke):
    invoke("run", photograph(), "--history", "history.json")

    document = json.loads(Path("history.json").read_text())
    assert list(document) == ["events"]
    assert document["events"][0]["eventTimestamp"] == "2024-01-01T00:00:00+00:00"
    replay.replay(ImageCategorization, "history.json")


def test_a_saved_history_can_be_verified(invoke):
    invoke("run", "--history", "history.json")

    result = invoke("verify", "history.json")

    assert result.exit_code == 0, result.output


def test_the_history_of_a_failure_is_saved_too(invoke, folder):
    (folder / "rubbish.jpg").write_text("rubbish")

    invoke("run", "rubbish.jpg", "--history", "history.json")

    last = json.loads(Path("history.json").read_text())["events"][-1]
    assert last["eventType"] == "WorkflowExecutionFailed"


def test_a_history_that_could_not_be_saved_is_refused_before_anything_runs(invoke, folder):
    result = invoke("run", "--history", "nowhere/history.json")

    assert result.exit_code == 2
    assert "The folder of the history does not exist: nowhere/history.json" in result.stderr
    assert not (folder / "flowy-images").exists()


def test_the_same_seed_writes_the_same_history(invoke):
    for name, seed in (("one", "1"), ("other", "1"), ("different", "2")):
        invoke("run", "--seed", seed, "--history", f"{name}.json")
    same = Path("one.json").read_bytes()

    assert same == Path("other.json").read_bytes()
    one, different = (
        json.loads(invoke("run", "--json", "--seed", seed).stdout)["runId"] for seed in "12"
    )
    assert one != different


# Options


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--aws", "--endpoint-url", "http://127.0.0.1:1"], "both name a service"),
        (["--aws", "--realtime"], "leave --realtime out"),
        (["--endpoint-url", "http://127.0.0.1:1", "--seed", "1"], "--seed is for simulations"),
        (["--workers", "0"], "0 is not in the range"),
        (["--quick"], "No such option"),
    ],
)
def test_contradictory_options_are_refused(invoke, options, complaint):
    result = invoke("run", *options)

    assert result.exit_code == 2
    assert complaint in result.stderr


def test_one_worker_is_enough(invoke):
    assert invoke("run", "--workers", "1").exit_code == 0


def test_verbose_logs_what_workers_do(invoke, monkeypatch):
    import logging

    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)

    result = invoke("run", "--verbose")

    assert "registered the activity resize 1" in result.stderr


def test_a_class_is_run_by_the_name_of_the_package_that_imports_it(invoke, folder):
    (folder / "parts").mkdir()
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "parts" / "work.py").write_text(
        "from flowy import Activity, ActivityProxy, Workflow, activity, workflow\n"
        "@activity('part', 1, 'parts')\n"
        "class Part(Activity):\n"
        "    def run(self):\n"
        "        return 'made'\n"
        "@workflow('whole', 1, 'parts')\n"
        "class Whole(Workflow):\n"
        "    part = ActivityProxy('part', 1)\n"
        "    def run(self):\n"
        "        return self.part()\n"
    )
    (folder / "front.py").write_text("from parts.work import Whole\n")
    assert invoke("run", "front:Whole").stdout.startswith("made\n")
    assert invoke("run", "flowy.tutorial:ImageCategorization", photograph()).exit_code == 0


def test_a_failure_is_told_once(invoke, write):
    write(
        "shop.py",
        """
        from flowy import Workflow, workflow

        @workflow("order", 1, "shop")
        class Order(Workflow):
            def run(self, end: str):
                try:
                    {}[end]
                except KeyError as error:
                    raise ValueError("no such end") from error
        """,
    )
    output = invoke("run", "shop:Order", "left").output
    assert output.count("no such end") == 2  # The message, and the line that raises it.
    assert "flowy/" not in output


def test_a_workflow_that_waits_for_a_signal_says_how_to_send_it(invoke, write, tmp_path):
    write(
        "shop.py",
        """
        from flowy import ActivityProxy, Workflow, workflow

        @workflow("order", 1, "shop")
        class Order(Workflow):
            charge = ActivityProxy("charge", 1)  # Its code is elsewhere.

            def run(self):
                return self.signal("paid").result()
        """,
    )
    result = invoke("run", "shop:Order", "--report", str(tmp_path / "run.html"))
    assert result.exit_code == 1
    assert "it waits for the signal 'paid', which has not been sent" in result.stdout
    assert re.search(r"^paid\? .* ◇  awaited$", result.stdout, re.MULTILINE)
    page = (tmp_path / "run.html").read_text("utf-8")
    assert "paid?<i>, awaited</i>" in page
    assert re.search(r'<text class="awaited" x="100.0%".*>◇</text>', page)
    assert "To send a signal, add --signal NAME, or NAME=VALUE@SECONDS.\n" in result.stdout
    assert "--stub" not in result.stdout
    assert invoke("run", "shop:Order", "--signal", "paid=42@60").stdout.startswith("42\n")


LONE = """
    from flowy import ActivityProxy, Workflow, workflow

    @workflow("lone", 1, "shop")
    class Lone(Workflow):
        charge = ActivityProxy("charge", 1)
        ship = ActivityProxy("ship", 2)

        def run(self) -> str:
            return self.charge().result() + self.ship().result()
    """


def test_what_is_elsewhere_can_be_stubbed_and_a_run_without_it_says_so(invoke, write):
    write("lone.py", LONE)
    missing = invoke("run", "lone:Lone")
    assert missing.exit_code == 1
    assert (
        "To stub one whose code is elsewhere, add --stub NAME:VERSION=result:JSON."
        in missing.stdout
    )

    write("s.json", '[{"activity": "ship", "version": "2", "result": "sent", "takes": 3600}]')
    result = invoke("run", "lone:Lone", "--stub", 'charge:1=result:"paid, "', "--stub", "s.json")
    assert result.stdout.startswith("paid, sent\n")
    assert "1 h of simulated time passed" in result.stdout

    assert result.stderr == ""

    failed = invoke("run", "lone:Lone", "--stub", "charge:1=error:no money")
    assert "charge 1 (charge-1) failed: no money" in failed.stdout
    late = invoke("run", "lone:Lone", "--stub", "charge:1=timeout", "--seed", "1")
    assert late.exit_code == 1


def test_a_stub_that_answers_nothing_is_named(invoke, write):
    write("lone.py", LONE)
    stubs = ["--stub", 'charge:1=result:"a"', "--stub", 'ship:2=result:"b"']
    result = invoke("run", "lone:Lone", *stubs, "--stub", 'shop:2=result:"c"')
    assert result.stdout.startswith("ab\n")
    nearest = "the nearest that was called is ship 2"
    assert result.stderr == f"Warning: the stub of shop 2 was never used; {nearest}.\n"


@pytest.mark.parametrize("option", ["--domain", "--region"])
def test_options_for_a_service_are_refused_without_one(invoke, write, option):
    write("lone.py", LONE)
    refused = invoke("run", "lone:Lone", option, "shop")
    assert refused.exit_code == 2
    assert "--domain and --region are for a service; add --aws or" in refused.stderr


def test_a_wrong_value_of_a_signal_is_reported_without_the_frames_of_libraries(invoke, write):
    write(
        "asks.py",
        """
        from flowy import Workflow, workflow

        @workflow("asks", 1, "shop")
        class Asks(Workflow):
            def run(self) -> str:
                return self.signal("answer", str).result()
        """,
    )
    result = invoke("run", "asks:Asks", "--signal", "answer=7")
    assert result.stdout.count("expected str, got 7") == 1
    assert 'asks.py", line 7, in run' in result.stdout
    assert "flowy/" not in result.stdout.replace(str(Path.cwd()), "")


@pytest.mark.parametrize(
    ("stub", "sentence"),
    [
        ("charge", "'charge' does not define a stub, and is not a file that can be read; write"),
        ("charge:1=paid", "'charge:1=paid' does not define a stub"),
        ("charge:1=result:paid", "The result of 'charge' is not JSON"),
        ('{"activity": "charge"}', "Give the version of the activity 'charge'"),
        ('{"activity": 3', "The definition of a stub is not JSON"),
        ('{"activity": "a", "version": 1, "takes": -1}', "must be a number of seconds, at least 0"),
    ],
)
def test_a_wrong_stub_is_reported_in_one_sentence(invoke, write, stub, sentence):
    write("lone.py", LONE)
    for command in (["run", "lone:Lone"], ["serve"]):
        result = invoke(*command, "--stub", stub)
        assert result.exit_code == 2
        assert result.stderr.count(sentence) == 1
