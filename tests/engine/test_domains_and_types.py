"""Domains, their tags, and the types in them."""

from __future__ import annotations

from typing import Any

import pytest

from flowy_sim._engine.limits import Limits
from tests.support.engine_scenarios import (
    ACTIVITY,
    ACTIVITY_DEFAULTS,
    DOMAIN,
    TASK_LIST,
    WORKFLOW,
    World,
    produces,
)

ARN = "arn:aws:swf:us-east-1:123456789012:/domain/"
MEMBER = {"Workflow": "workflowType", "Activity": "activityType"}


def names(reply: dict[str, Any]) -> list[str]:
    return [info["name"] for info in reply["domainInfos"]]


def register(world: World, name: str, **members: Any) -> None:
    world.call(
        "RegisterDomain", name=name, workflowExecutionRetentionPeriodInDays="NONE", **members
    )


@produces("operation RegisterDomain", "operation DescribeDomain", "RegistrationStatus REGISTERED")
def test_a_domain_is_described_as_it_was_registered(world: World) -> None:
    register(world, "music", description="loud")
    assert world.call("DescribeDomain", name="music") == {
        "configuration": {"workflowExecutionRetentionPeriodInDays": "NONE"},
        "domainInfo": {
            "arn": ARN + "music",
            "description": "loud",
            "name": "music",
            "status": "REGISTERED",
        },
    }
    assert "description" not in world.call("DescribeDomain", name=DOMAIN)["domainInfo"]


@produces("fault RegisterDomain DomainAlreadyExistsFault")
def test_the_name_of_a_domain_can_never_be_used_again(world: World) -> None:
    again = {"name": DOMAIN, "workflowExecutionRetentionPeriodInDays": "1"}
    assert world.refusal("DomainAlreadyExistsFault", "RegisterDomain", **again) == DOMAIN
    world.call("DeprecateDomain", name=DOMAIN)
    assert world.refusal("DomainAlreadyExistsFault", "RegisterDomain", **again) == DOMAIN


@produces(
    "operation DeprecateDomain",
    "operation UndeprecateDomain",
    "fault DeprecateDomain DomainDeprecatedFault",
    "fault UndeprecateDomain DomainAlreadyExistsFault",
    "RegistrationStatus DEPRECATED",
)
def test_a_deprecated_domain_takes_nothing_new_and_can_be_brought_back(world: World) -> None:
    world.start()
    world.call("DeprecateDomain", name=DOMAIN)
    assert world.refusal("DomainDeprecatedFault", "DeprecateDomain", name=DOMAIN) == DOMAIN
    assert world.call("DescribeDomain", name=DOMAIN)["domainInfo"]["status"] == "DEPRECATED"
    described = world.call("DescribeWorkflowType", workflowType=WORKFLOW)
    assert described["typeInfo"]["status"] == "DEPRECATED"
    world.refusal("DomainDeprecatedFault", "RegisterActivityType", name="x", version="1")
    world.refusal(
        "DomainDeprecatedFault", "StartWorkflowExecution", workflowId="x", workflowType=WORKFLOW
    )
    assert len(world.executions()) == 1
    world.decide()
    world.call("UndeprecateDomain", name=DOMAIN)
    assert world.refusal("DomainAlreadyExistsFault", "UndeprecateDomain", name=DOMAIN) == DOMAIN
    world.refusal(
        "TypeDeprecatedFault", "StartWorkflowExecution", workflowId="x", workflowType=WORKFLOW
    )


@produces("operation ListDomains")
def test_domains_are_listed_by_name_and_status(world: World) -> None:
    for name in ("b", "B", "1", "a"):
        register(world, name)
    world.call("DeprecateDomain", name="a")
    registered = {"registrationStatus": "REGISTERED"}
    assert names(world.call("ListDomains", **registered)) == ["1", "B", "b", DOMAIN]
    page = world.call("ListDomains", **registered, maximumPageSize=3, reverseOrder=True)
    assert names(page) == [DOMAIN, "b", "B"]
    register(world, "z")
    rest = world.call(
        "ListDomains", **registered, reverseOrder=True, nextPageToken=page["nextPageToken"]
    )
    assert names(rest) == ["1"]
    assert "nextPageToken" not in rest
    assert names(world.call("ListDomains", registrationStatus="DEPRECATED")) == ["a"]


@produces("operation TagResource", "operation UntagResource", "operation ListTagsForResource")
def test_a_domains_tags_are_overwritten_and_removed_by_key(world: World) -> None:
    register(world, "music", tags=[{"key": "a", "value": "1"}, {"key": "b"}])
    arn = {"resourceArn": ARN + "music"}
    world.call("TagResource", **arn, tags=[{"key": "a", "value": "2"}, {"key": "c", "value": ""}])
    world.call("UntagResource", **arn, tagKeys=["b", "never"])
    assert world.call("ListTagsForResource", **arn) == {
        "tags": [{"key": "a", "value": "2"}, {"key": "c", "value": ""}]
    }


@produces(
    "fault RegisterDomain TooManyTagsFault",
    "fault TagResource TooManyTagsFault",
    "fault RegisterDomain LimitExceededFault",
)
def test_tags_of_a_domain_and_domains_of_an_account_are_limited(make_world: Any) -> None:
    world = make_world(limits=Limits(tags=1, domains=2))
    domain = {"workflowExecutionRetentionPeriodInDays": "1", "name": "b"}
    tags = [{"key": "a"}, {"key": "b"}]
    assert world.refusal("TooManyTagsFault", "RegisterDomain", **domain, tags=tags)
    assert world.refusal("TooManyTagsFault", "TagResource", resourceArn=ARN + DOMAIN, tags=tags)
    assert world.call("ListTagsForResource", resourceArn=ARN + DOMAIN) == {"tags": []}
    world.call("RegisterDomain", **domain)
    world.call("DeprecateDomain", name="b")
    assert world.refusal("LimitExceededFault", "RegisterDomain", **domain | {"name": "c"})


@produces(
    "operation RegisterWorkflowType",
    "operation DescribeWorkflowType",
    "fault RegisterWorkflowType TypeAlreadyExistsFault",
)
def test_a_workflow_type_is_described_with_the_defaults_that_were_set(world: World) -> None:
    defaults = {
        "defaultChildPolicy": "ABANDON",
        "defaultExecutionStartToCloseTimeout": "60",
        "defaultLambdaRole": "arn:role",
        "defaultTaskList": TASK_LIST,
        "defaultTaskPriority": "-1",
        "defaultTaskStartToCloseTimeout": "NONE",
    }
    key = {"name": "Ship", "version": "2"}
    world.call("RegisterWorkflowType", **key, description="", **defaults)
    described = world.call("DescribeWorkflowType", workflowType=key)
    assert described["configuration"] == defaults
    created = described["typeInfo"].pop("creationDate")
    assert created.isoformat() == "2024-01-01T00:00:00+00:00"
    assert described["typeInfo"] == {
        "description": "",
        "status": "REGISTERED",
        "workflowType": key,
    }
    assert world.refusal("TypeAlreadyExistsFault", "RegisterWorkflowType", **key) == (
        "WorkflowType=[name=Ship, version=2]"
    )


@produces(
    "operation RegisterActivityType",
    "operation DescribeActivityType",
    "fault RegisterActivityType TypeAlreadyExistsFault",
)
def test_an_activity_type_is_described_with_the_defaults_that_were_set(world: World) -> None:
    key = {"name": "Pack", "version": "2"}
    defaults = {**ACTIVITY_DEFAULTS, "defaultTaskPriority": "3"}
    world.call("RegisterActivityType", **key, description="boxes", **defaults)
    described = world.call("DescribeActivityType", activityType=key)
    assert described["configuration"] == defaults
    assert described["typeInfo"]["description"] == "boxes"
    world.call("RegisterActivityType", name="Pack", version="3")
    bare = world.call("DescribeActivityType", activityType={"name": "Pack", "version": "3"})
    assert bare["configuration"] == {}
    assert world.refusal("TypeAlreadyExistsFault", "RegisterActivityType", **ACTIVITY) == (
        "ActivityType=[name=Charge, version=1]"
    )


@produces(
    *(f"operation {verb}{kind}Type" for verb in ("Deprecate", "Undeprecate") for kind in MEMBER),
    *(f"fault Deprecate{kind}Type TypeDeprecatedFault" for kind in MEMBER),
    *(f"fault Undeprecate{kind}Type TypeAlreadyExistsFault" for kind in MEMBER),
)
def test_types_are_deprecated_and_brought_back(world: World) -> None:
    for kind, member in MEMBER.items():
        key = {"name": "Order" if kind == "Workflow" else "Charge", "version": "1"}
        named = f"{kind}Type=[name={key['name']}, version=1]"
        world.call(f"Deprecate{kind}Type", **{member: key})
        info = world.call(f"Describe{kind}Type", **{member: key})["typeInfo"]
        assert info["status"] == "DEPRECATED"
        assert info["deprecationDate"]
        again = world.refusal("TypeDeprecatedFault", f"Deprecate{kind}Type", **{member: key})
        assert again == named
        world.call(f"Undeprecate{kind}Type", **{member: key})
        info = world.call(f"Describe{kind}Type", **{member: key})["typeInfo"]
        assert "deprecationDate" not in info
        registered = world.refusal(
            "TypeAlreadyExistsFault", f"Undeprecate{kind}Type", **{member: key}
        )
        assert registered == named


@produces(
    *(f"operation Delete{kind}Type" for kind in MEMBER),
    *(f"fault Delete{kind}Type TypeNotDeprecatedFault" for kind in MEMBER),
    *(f"fault Describe{kind}Type UnknownResourceFault" for kind in MEMBER),
)
def test_a_deprecated_type_can_be_deleted_and_registered_again(world: World) -> None:
    world.start()
    for kind, key in (("Workflow", WORKFLOW), ("Activity", ACTIVITY)):
        member = {MEMBER[kind]: key}
        refused = world.refusal("TypeNotDeprecatedFault", f"Delete{kind}Type", **member)
        assert refused == (
            "The type is currently registered and cannot be deleted in its current state"
        )
        world.call(f"Deprecate{kind}Type", **member)
        world.call(f"Delete{kind}Type", **member)
        unknown = world.refusal("UnknownResourceFault", f"Describe{kind}Type", **member)
        assert unknown == f"Unknown type: {kind}Type=[name={key['name']}, version=1]"
        world.call(f"Register{kind}Type", **key)
    world.decide()


@produces("operation ListWorkflowTypes", "operation ListActivityTypes")
def test_types_are_listed_by_name_then_version_and_reversed_before_paging(world: World) -> None:
    for kind, own in (("Workflow", ("Order", "1")), ("Activity", ("Charge", "1"))):
        for name in ("B", "b", "a"):
            for version in ("2", "1"):
                world.call(f"Register{kind}Type", name=name, version=version)

        def listed(kind: str = kind, **members: Any) -> tuple[list[tuple[str, str]], str | None]:
            request = {"registrationStatus": "REGISTERED", **members}
            reply = world.call(f"List{kind}Types", **request)
            keys = [tuple(info[MEMBER[kind]].values()) for info in reply["typeInfos"]]
            return keys, reply.get("nextPageToken")

        in_order = sorted([own, *((name, version) for name in "Bba" for version in "12")])
        assert listed() == (in_order, None)
        assert listed(name="b") == ([("b", "1"), ("b", "2")], None)
        first, token = listed(reverseOrder=True, maximumPageSize=2)
        assert first == in_order[:-3:-1]
        rest = listed(reverseOrder=True, nextPageToken=token)
        assert rest == (in_order[-3::-1], None)
        assert listed(registrationStatus="DEPRECATED") == ([], None)


@pytest.mark.parametrize("character", ["\0", "\x1f", '"', "\\", ";", "字", "\ud800", "😀", "9"])
def test_the_longest_names_of_any_characters_can_be_paged_through(
    world: World, character: str
) -> None:
    width = len(character.encode("utf-16-le", "surrogatepass")) // 2
    names = [character * ((256 - width * less) // width) for less in range(3)]
    version = character * (64 // width)
    for name in names:
        world.call("RegisterActivityType", name=name, version=version)
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        reply = world.call(
            "ListActivityTypes", registrationStatus="REGISTERED", maximumPageSize=1, **token
        )
        found += [info["activityType"]["name"] for info in reply["typeInfos"]]
        if "nextPageToken" not in reply:
            break
        token = {"nextPageToken": reply["nextPageToken"]}
        assert len(reply["nextPageToken"]) <= 2048
    assert found == sorted([*names, "Charge"])


@produces(
    "fault RegisterWorkflowType LimitExceededFault",
    "fault RegisterActivityType LimitExceededFault",
)
def test_types_of_a_domain_are_limited_deprecated_ones_included(make_world: Any) -> None:
    world = make_world(limits=Limits(workflow_types=1, activity_types=1))
    world.call("DeprecateWorkflowType", workflowType=WORKFLOW)
    for kind in MEMBER:
        assert world.refusal("LimitExceededFault", f"Register{kind}Type", name="x", version="1")


def test_regions_and_accounts_know_nothing_of_each_other(world: World) -> None:
    listing = {"registrationStatus": "REGISTERED"}
    assert world.simulation.call("ListDomains", listing, region="eu-west-1") == {"domainInfos": []}
    domain = {"name": DOMAIN, "workflowExecutionRetentionPeriodInDays": "1"}
    world.simulation.call("RegisterDomain", domain, region="eu-west-1")
    described = world.simulation.call("DescribeDomain", {"name": DOMAIN}, region="eu-west-1")
    assert described["domainInfo"]["arn"] == ("arn:aws:swf:eu-west-1:123456789012:/domain/shop")
