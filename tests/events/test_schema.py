"""The schema of events agrees with the service model, with the engine and with the rules."""

from __future__ import annotations

import pytest

from flowy import executions
from flowy._decider.history import _SILENT, LINKS, OPENING_EVENTS
from flowy._decisions import DECISION_EVENTS
from flowy._determinism import causes
from flowy_sim._cli.history import _STATUSES
from flowy_sim._console import actions, served_clock, source
from flowy_sim._engine import decisions, latency
from flowy_sim._engine.engine import OPERATIONS
from flowy_sim._engine.life_cycles import CLOSE_STATUS
from flowy_sim._engine.limits import DECISION_RATES, OPERATION_RATES
from flowy_sim._engine.model import enum, event_types, input_shape, operation_names
from flowy_sim._engine.registered_types import DEFAULTS
from flowy_sim._engine.start import STARTED_WITH
from flowy_sim._events import rules
from flowy_sim._events.schema import (
    DECISIONS,
    ENDS,
    EVENTS,
    LIFE_CYCLES,
    OPENS,
    STARTS,
    TIMEOUTS,
    EventSchema,
)
from flowy_sim.explore import _story
from flowy_sim.verify import _instants

SCHEMAS = pytest.mark.parametrize("schema", EVENTS.values(), ids=EVENTS)


def test_every_event_type_of_the_service_model_is_described() -> None:
    assert EVENTS.keys() == event_types().keys()


@SCHEMAS
def test_every_member_that_holds_an_event_id_is_a_link(schema: EventSchema) -> None:
    members = event_types()[schema.name].members
    assert sorted([*schema.links, *schema.elsewhere]) == [
        member for member in members if member.endswith("EventId")
    ]


@SCHEMAS
def test_links_lead_to_event_types(schema: EventSchema) -> None:
    assert {*schema.links.values(), *schema.elsewhere.values()} <= EVENTS.keys()


@SCHEMAS
def test_what_starts_or_ends_a_thing_names_the_event_that_opened_it(schema: EventSchema) -> None:
    if schema.phase in (STARTS, ENDS) and not schema.close_status:
        opening = EVENTS[schema.links[schema.about]]
        assert (opening.kind, opening.phase) == (schema.kind, OPENS)
    else:
        assert not schema.about


@SCHEMAS
def test_every_ending_has_an_outcome(schema: EventSchema) -> None:
    assert bool(schema.outcome) == (schema.phase == ENDS or schema.refuses)


@SCHEMAS
def test_operations_are_those_of_the_service_model(schema: EventSchema) -> None:
    assert schema.operation in {"", *operation_names()}


def test_every_type_of_decision_leads_to_an_event() -> None:
    assert {schema.decision for schema in EVENTS.values()} - {""} == set(enum("DecisionType"))


def test_the_close_statuses_are_those_of_the_service_model() -> None:
    assert {*CLOSE_STATUS.values()} == set(enum("CloseStatus"))


def test_time_outs_are_those_of_the_service_model() -> None:
    types = ("ActivityTaskTimeoutType", "DecisionTaskTimeoutType", "WorkflowExecutionTimeoutType")
    assert TIMEOUTS.keys() == {name for each in types for name in enum(each)}


def test_an_event_belongs_to_one_life_cycle_and_to_that_of_its_kind() -> None:
    for kind, table in LIFE_CYCLES.items():
        assert {EVENTS[event].kind for _, event in table} == {kind}


def test_the_rules_say_the_same_of_links_without_sharing_a_table() -> None:
    links = {
        (schema.name, member): target
        for schema in EVENTS.values()
        for member, target in schema.links.items()
    }
    assert links == {key: link.target for key, link in rules.LINKS.items()}


CLOSED = set(enum("CloseStatus"))
EFFECTS = set(latency.KINDS) - {"call"}
# Tables that say something of their own about each row, in packages that may not import each other
# or in which importing the table would be slow.
TABLES = {
    "flowy, how executions close": (executions.CLOSED_AS.items(), set(CLOSE_STATUS.items())),
    "flowy, decisions in messages": (causes._KINDS, set(enum("DecisionType"))),
    "engine, rates of decisions": (DECISION_RATES.keys() - decisions.DECISIONS.keys(), set()),
    "engine, rates of operations": (OPERATION_RATES, operation_names()),
    "engine, operations": (OPERATIONS, operation_names()),
    "engine, decisions": (decisions.DECISIONS, set(enum("DecisionType"))),
    "explore, how executions close": (_story._CLOSING, CLOSED),
    "console, statuses to filter by": (source.STATUSES, {"OPEN", *CLOSED}),
    "command history, --status": (_STATUSES, {"OPEN", "CLOSED", *CLOSED}),
    "console, what happens next": (served_clock._EFFECTS, EFFECTS),
    "verify, events of effects": (_instants._WRITTEN_BY, EFFECTS - {"child policy"}),
    "console, moves of the clock": (served_clock.MOVES, set(actions.MOVES)),
}


@pytest.mark.parametrize("table", TABLES)
def test_tables_that_are_kept_apart_have_the_same_rows(table: str) -> None:
    rows, expected = TABLES[table]
    assert set(rows) == expected
    assert len(set(rows)) == len(list(rows))


def test_the_first_event_repeats_what_an_execution_is_started_with() -> None:
    given = input_shape("StartWorkflowExecution").members
    assert set(STARTED_WITH) == given.keys() & set(
        event_types()["WorkflowExecutionStarted"].members
    )


@pytest.mark.parametrize("kind", DEFAULTS)
def test_every_setting_has_the_default_that_its_type_can_be_registered_with(kind: str) -> None:
    members = input_shape(f"Register{kind}").members
    assert set(DEFAULTS[kind].values()) == {each for each in members if each.startswith("default")}


def test_flowy_reads_from_events_the_same_decisions_and_links() -> None:
    assert {name: row.decision for name, row in DECISION_EVENTS.items()} == {
        name: schema.decision for name, schema in EVENTS.items() if schema.decision
    }
    tasks = [each for each in EVENTS.values() if each.kind != DECISIONS]
    # A workflow need not know when a worker has taken a task.
    silent = {name: EVENTS[name].about for name in _SILENT if EVENTS[name].phase == STARTS}
    assert LINKS | silent == {each.name: each.about for each in tasks if each.about}
    opening = {each.name for each in tasks if each.phase == OPENS}
    assert set(OPENING_EVENTS) == opening - {"WorkflowExecutionStarted"}
