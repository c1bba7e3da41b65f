from __future__ import annotations

from typing import Any

import pytest

from flowy import (
    Activity,
    ConfigurationError,
    Execution,
    Outcome,
    SerializationError,
    StartError,
    outcome,
    start,
)
from tests.support.example_workflows import Chain, Double, SumOfDoubles
from tests.support.worker_loops import DOMAIN, attributes, history, workers


@pytest.fixture
def ready(client: Any) -> Any:
    """A client of a service that knows the workflows."""
    workers(client, [Double], [Chain, SumOfDoubles])
    return client


def started(client: Any, execution: Execution) -> dict[str, Any]:
    return attributes(history(client, execution), "WorkflowExecutionStarted")[0]


def test_an_execution_is_started_with_arguments_and_registered_defaults(ready: Any) -> None:
    execution = start(ready, DOMAIN, Chain, 1, times=2)
    assert execution.workflow_id.startswith("chain-")
    event = started(ready, execution)
    assert event["input"] == '[[1], {"times": 2}]'
    assert event["workflowType"] == {"name": "chain", "version": "1"}
    assert event["taskList"] == {"name": "decisions"}
    assert event["executionStartToCloseTimeout"] == "86400"
    assert event["taskStartToCloseTimeout"] == "60"
    assert event["childPolicy"] == "TERMINATE"


def test_options_are_those_of_this_execution(ready: Any) -> None:
    execution = start(
        ready,
        DOMAIN,
        ("chain", 1),
        1,
        2,
        workflow_id="one",
        task_list="elsewhere",
        execution_start_to_close=60,
        task_start_to_close=None,
        child_policy="ABANDON",
        tags=("red", "blue"),
    )
    assert execution.workflow_id == "one"
    event = started(ready, execution)
    assert event["input"] == "[[1, 2], {}]"
    assert event["taskList"] == {"name": "elsewhere"}
    assert event["executionStartToCloseTimeout"] == "60"
    assert event["taskStartToCloseTimeout"] == "NONE"
    assert event["childPolicy"] == "ABANDON"
    described = ready.describe_workflow_execution(
        domain=DOMAIN, execution={"workflowId": "one", "runId": execution.run_id}
    )
    assert described["executionInfo"]["tagList"] == ["red", "blue"]


def test_executions_without_an_id_get_different_ones(ready: Any) -> None:
    one, other = (start(ready, DOMAIN, Chain, 1, 1) for _ in range(2))
    assert one.workflow_id != other.workflow_id


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((Chain, 1), {}, r"Chain.run\(number: int, times: int\) .* missing .*'times'"),
        ((Chain, 1, 2, 3), {}, "does not accept these arguments: too many"),
        ((Chain, 1, 2), {"time": 3}, "does not accept these arguments: got an unexpected"),
        ((Double, 1), {}, "start takes a class decorated with @workflow"),
        ((Activity,), {}, "start takes a class decorated with @workflow"),
        (("chain",), {}, r"or \(name, version\), not 'chain'"),
        ((("chain", None),), {}, "version must be a number or text"),
        ((Chain, 1, 2), {"workflow_id": ""}, "workflow_id must be text of 1 to 256"),
        ((Chain, 1, 2), {"tags": "red"}, "tags must be a list of texts, not 'red'"),
        ((Chain, 1, 2), {"tags": [1]}, "tags must be text"),
        ((Chain, 1, 2), {"tags": ["a", "cdef"] * 3}, "tags can hold at most 5 texts, not 6"),
        ((Chain, 1, 2), {"execution_start_to_close": None}, "execution_start_to_close must be"),
    ],
)
def test_what_is_wrong_is_refused_before_the_service_is_asked(
    arguments: tuple[Any, ...], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        start(None, DOMAIN, *arguments, **options)  # type: ignore[arg-type]


def test_an_argument_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(SerializationError, match="argument 'times' of chain 1 cannot be sent"):
        start(None, DOMAIN, Chain, 1, times=object())  # type: ignore[arg-type]


def test_refusals_of_the_service_are_reported_in_a_sentence(ready: Any) -> None:
    start(ready, DOMAIN, Chain, 1, 2, workflow_id="one")
    with pytest.raises(StartError, match="an execution with the ID 'one' is open; choose another"):
        start(ready, DOMAIN, Chain, 1, 2, workflow_id="one")
    with pytest.raises(
        StartError, match="unknown 2 cannot be started: it is not registered in the"
    ):
        start(ready, DOMAIN, ("unknown", 2))
    with pytest.raises(StartError, match="there is no domain 'nowhere'; register it first"):
        start(ready, "nowhere", Chain, 1, 2)
    ready.deprecate_workflow_type(domain=DOMAIN, workflowType={"name": "chain", "version": "1"})
    with pytest.raises(StartError, match="its type is deprecated in 'flowy'"):
        start(ready, DOMAIN, Chain, 1, 2)


def test_a_type_without_defaults_needs_options(ready: Any) -> None:
    ready.register_workflow_type(domain=DOMAIN, name="bare", version="1")
    with pytest.raises(StartError, match="registered without some of its defaults; give these"):
        start(ready, DOMAIN, ("bare", 1))


def test_an_unrelated_fault_is_passed_on() -> None:
    class Refusing:
        def start_workflow_execution(self, **request: Any) -> Any:
            raise PermissionError("not allowed")

    with pytest.raises(PermissionError):
        start(Refusing(), DOMAIN, ("chain", 1))  # type: ignore[arg-type]


def test_an_open_execution_has_no_outcome_yet(ready: Any) -> None:
    assert outcome(ready, DOMAIN, start(ready, DOMAIN, Chain, 1, 2)) is None


def test_a_terminated_execution_says_why(ready: Any) -> None:
    execution = start(ready, DOMAIN, Chain, 1, 2)
    ready.terminate_workflow_execution(
        domain=DOMAIN, workflowId=execution.workflow_id, reason="enough", details="of it"
    )
    expected = Outcome("TERMINATED", reason="enough", details="of it")
    assert outcome(ready, DOMAIN, execution) == expected


def test_an_execution_that_timed_out_says_so(simulated: Any, simulation: Any) -> None:
    workers(simulated, [Double], [Chain])
    execution = start(simulated, DOMAIN, Chain, 1, 2, execution_start_to_close=60)
    simulation.clock.advance(61)
    assert outcome(simulated, DOMAIN, execution) == Outcome("TIMED_OUT")
