"""Values that are sent between workflows and activities: of every kind, including long ones."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NamedTuple, NewType, TypedDict
from uuid import UUID

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from flowy import ConfigurationError, SerializationError
from flowy._payloads.hints import converter
from flowy._payloads.serializers import encoder
from flowy._payloads.stores import FolderStore, S3Store, store_at
from flowy._payloads.text import DATA_LIMIT
from flowy.payloads import PLAIN, Payloads
from flowy.result import Result


@dataclass
class Holder:
    value: Any
    other: int = 1


class Colour(Enum):
    RED = 1
    BLUE = "blue"


class Size(StrEnum):
    SMALL = "small"


class Point(NamedTuple):
    x: int
    at: datetime


class Named(TypedDict, total=False):
    name: str
    price: Decimal


@dataclass(frozen=True)
class Picture:
    path: Path
    taken: datetime
    price: Decimal = Decimal(0)
    colours: frozenset[Colour] = frozenset()
    thumbnail: Picture | None = None
    notes: dict[date, list[bytes]] = field(default_factory=dict)


Money = NewType("Money", Decimal)
NOON = datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC)
PICTURE = Picture(Path("a/b.jpg"), NOON, Decimal("1.10"), frozenset({Colour.RED, Colour.BLUE}))

VALUES: list[tuple[Any, Any]] = [
    (int, 3),
    (float, 1.5),
    (Any, {"a": [1, None]}),
    (dict, {"a": 1}),
    (list[int], [1]),
    (datetime, NOON),
    (date, date(2024, 2, 29)),
    (time, time(12, 30)),
    (timedelta, timedelta(days=-1, microseconds=1)),
    (Decimal, Decimal("1E+400")),
    (Decimal, Decimal("0.10")),
    (bytes, bytes(range(256))),
    (UUID, UUID(int=5)),
    (Path, Path("a/b")),
    (PurePosixPath, PurePosixPath("/a")),
    (Colour, Colour.RED),
    (Size, Size.SMALL),
    (Money, Decimal(2)),
    (Annotated[bytes, "raw"], b"x"),
    (set[int], {3, 1, 2}),
    (set, {"a", "b"}),
    (frozenset[date], frozenset({date(2024, 1, 1), date(2023, 1, 1)})),
    (tuple, (1, 2)),
    (tuple[int, ...], (1, 2)),
    (tuple[date, ...], (date(2024, 1, 1),)),
    (tuple[str, bytes], ("a", b"b")),
    (Sequence[bytes], [b"a"]),
    (Mapping[str, bytes], {"a": b"b"}),
    (dict[int, str], {1: "a"}),
    (dict[bool, float], {True: 1.0}),
    (dict[str, list[Picture]], {"a": [PICTURE]}),
    (Point, Point(1, NOON)),
    (Named, {"name": "a", "price": Decimal("2.5")}),
    (Picture, PICTURE),
    (Picture, Picture(Path("c"), NOON, thumbnail=PICTURE)),
    (Picture | None, None),
    (bytes | None, b"a"),
    (int | datetime, 3),
    (int | datetime, NOON),
    (str | Path, "text"),
    (list[bytes] | Picture, PICTURE),
    (float | Colour, 1),
    (bytes | Result[bytes], b"a"),
]


def there_and_back(hint: Any, value: Any) -> Any:
    text = PLAIN.encode_value("it", value)
    return PLAIN.decode_value("it", text, converter(hint))


@pytest.mark.parametrize(("hint", "value"), VALUES)
def test_a_value_comes_back_as_its_type_hint_says(hint: Any, value: Any) -> None:
    back = there_and_back(hint, value)
    assert back == value
    assert type(back) is type(value)


@given(
    st.builds(
        Picture,
        st.just(Path("a")),
        st.datetimes(),
        st.decimals(allow_nan=False),
        st.frozensets(st.sampled_from(Colour)),
        st.none(),
        st.dictionaries(st.just(0), st.none(), max_size=0),
    )
)
def test_any_dataclass_comes_back_as_it_was(picture: Picture) -> None:
    assert there_and_back(Picture, picture) == picture


@pytest.mark.parametrize(("hint", "value"), VALUES)
def test_what_is_already_as_hinted_is_left_alone(hint: Any, value: Any) -> None:
    convert = converter(hint)
    assert convert is None or convert(value) == value


def test_payloads_show_how_they_were_made() -> None:
    assert repr(PLAIN) == "Payloads()"
    assert repr(Payloads(strict=False)) == "Payloads(strict=False)"


def test_values_without_hints_are_plain_json() -> None:
    text = PLAIN.encode_value("it", [NOON, b"a", {2, 1}])
    assert json.loads(text) == ["2024-02-29T12:00:00.000001+00:00", "YQ==", [1, 2]]
    assert PLAIN.decode_result("a 1", text) == json.loads(text)


def test_a_set_is_written_the_same_in_every_process() -> None:
    script = "from flowy import Payloads; print(Payloads().encode({'a', 'b', 'c', 'd', 'e'}))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {'["a", "b", "c", "d", "e"]\n'}


class Work:
    def run(self, when: datetime, *sizes: Decimal, path: Path = Path(), **more: bytes) -> Picture:
        raise NotImplementedError


def test_arguments_come_back_as_run_hints_them() -> None:
    args, kwargs = (NOON, Decimal(1), Decimal(2)), {"path": Path("a"), "extra": b"b"}
    assert PLAIN.decode_input("w 1", PLAIN.encode_input("w 1", args, kwargs), Work) == (
        list(args),
        kwargs,
    )
    args, kwargs = (), {"when": NOON}
    assert PLAIN.decode_input("w 1", PLAIN.encode_input("w 1", args, kwargs), Work) == (
        list(args),
        kwargs,
    )
    assert PLAIN.decode_result("w 1", PLAIN.encode_result("w 1", PICTURE), Work) == PICTURE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[["noon"], {}]', r"argument 1 \(when\) of w 1 does not match its type hint: ValueErr"),
        ('[["2024-01-01", "x"], {}]', "argument 2 of w 1 does not match its type hint: Invalid"),
        ('[[], {"path": 3}]', "argument 'path' of w 1 does not match its type hint: TypeError"),
        ('[[], {"extra": "?"}]', "argument 'extra' of w 1 does not match"),
    ],
)
def test_an_argument_that_is_not_as_hinted_is_named(text: str, sentence: str) -> None:
    with pytest.raises(SerializationError, match=sentence):
        PLAIN.decode_input("w 1", text, Work)


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (Colour, '"green"'),
        (Picture, '{"path": "a"}'),
        (Picture, '{"nothing": "a"}'),
        (Picture, "[]"),
        (tuple[int, bytes], "[1]"),
        (list[bytes], "{}"),
        (dict[int, str], '{"a": "b"}'),
        (Point, '[1, "x"]'),
        (bytes | datetime, '"?"'),
    ],
)
def test_a_result_that_is_not_as_hinted_is_an_error(hint: Any, text: str) -> None:
    with pytest.raises(SerializationError, match="it does not match its type hint: "):
        PLAIN.decode_value("it", text, converter(hint))


def test_hints_that_cannot_be_resolved_leave_plain_json() -> None:
    class Checked:
        def run(self, when: OnlyForCheckers) -> None:  # type: ignore[name-defined]  # noqa: F821
            raise NotImplementedError

    assert PLAIN.decode_input("w 1", '[["a"], {}]', Checked) == (["a"], {})


# Long values

LONG = "x" * DATA_LIMIT


@pytest.fixture(params=["folder", "S3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "folder":
        yield FolderStore(tmp_path / "payloads")
        return
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="kept")
        yield store_at("s3://kept/payloads")


def test_a_long_value_travels_as_a_reference(store: Any) -> None:
    payloads = Payloads(store=store)
    text = payloads.encode_input("a 1", (LONG, NOON), {})
    assert text.startswith("flowy:stored:")
    assert len(text) < 100
    assert payloads.decode_input("a 1", text) == ([LONG, NOON.isoformat()], {})
    result = payloads.encode_result("a 1", {"text": LONG})
    assert payloads.decode_result("a 1", result) == {"text": LONG}


def test_the_same_value_has_the_same_reference(store: Any) -> None:
    payloads = Payloads(store=store)
    assert payloads.encode_result("a 1", LONG) == payloads.encode_result("b 1", LONG)
    assert payloads.encode_result("a 1", LONG) != payloads.encode_result("a 1", LONG + "y")


def test_a_short_value_never_sees_the_store() -> None:
    assert Payloads(store="/dev/null/nowhere").encode_result("a 1", 1) == "1"


def test_without_a_store_the_error_names_the_argument_and_its_size() -> None:
    with pytest.raises(SerializationError) as refused:
        PLAIN.encode_input("a 1", (1, LONG), {})
    assert "argument 2 alone 32,770, and Amazon SWF accepts 32,768: give workers and starters" in (
        str(refused.value)
    )


def test_a_reference_without_a_store_says_what_to_give(store: Any) -> None:
    text = Payloads(store=store).encode_result("a 1", LONG)
    with pytest.raises(SerializationError, match="the result of a 1 is in a store, and this"):
        PLAIN.decode_result("a 1", text)


def test_a_value_that_is_gone_says_where_it_was(store: Any, tmp_path: Path) -> None:
    text = f"flowy:stored:{'0' * 64}:9"
    with pytest.raises(SerializationError, match=r"cannot be read from (the folder|s3://kept/)"):
        Payloads(store=store).decode_result("a 1", text)


def test_a_value_that_was_changed_in_the_store_is_noticed(tmp_path: Path) -> None:
    payloads = Payloads(store=tmp_path)
    text = payloads.encode_result("a 1", LONG)
    (file,) = tmp_path.iterdir()
    file.write_text("other")
    with pytest.raises(SerializationError, match="has changed since it was stored in the folder"):
        payloads.decode_result("a 1", text)


@pytest.mark.parametrize("left", [0, 10, -1])
def test_a_damaged_file_of_a_store_is_repaired_when_the_value_is_put_again(
    tmp_path: Path, left: int
) -> None:
    payloads = Payloads(store=tmp_path)
    text = payloads.encode_result("a 1", LONG)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for damaged in (whole[:left], bytes(len(whole))):
        file.write_bytes(damaged)
        assert payloads.encode_result("a 1", LONG) == text
        assert payloads.decode_result("a 1", text) == LONG
        assert [*tmp_path.iterdir()] == [file]


def test_a_store_that_does_not_take_a_value_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    payloads = Payloads(store=tmp_path / "file" / "folder")
    with pytest.raises(SerializationError, match="the result of a 1, of 32,770 characters, cannot"):
        payloads.encode_result("a 1", LONG)


@pytest.mark.parametrize("location", ["", "s3://", "https://bucket/x"])
def test_an_empty_location_of_a_store_is_refused(location: str) -> None:
    with pytest.raises(ConfigurationError, match=r"a store is a folder or s3://bucket/prefix"):
        Payloads(store=location)


def test_a_store_in_s3_may_have_no_prefix() -> None:
    assert str(S3Store("bucket")) == "s3://bucket/"
    assert str(store_at("s3://bucket/a/b/")) == "s3://bucket/a/b/"


# Another serializer


class Pickled:
    def dumps(self, value: Any) -> str:
        return b64encode(pickle.dumps(value)).decode()

    def loads(self, text: str) -> Any:
        return pickle.loads(b64decode(text))


def test_another_serializer_is_two_methods() -> None:
    payloads = Payloads(Pickled())
    args, kwargs = payloads.decode_input("a 1", payloads.encode_input("a 1", (1j,), {"x": NOON}))
    assert (args, kwargs) == ([1j], {"x": NOON})
    assert payloads.decode_result("a 1", payloads.encode_result("a 1", PICTURE), Work) == PICTURE
    with pytest.raises(SerializationError, match="the result of a 1 is not Pickled: "):
        payloads.decode_result("a 1", "{}")
    with pytest.raises(SerializationError, match="the input of a 1 is not in flowy's form"):
        payloads.decode_input("a 1", "photo")
    with pytest.raises(SerializationError, match="argument 2 of a 1 cannot be sent as Pickled: "):
        payloads.encode_input("a 1", (1, lambda: None), {})
    with pytest.raises(SerializationError, match=r"the result of a 1 takes .* as Pickled"):
        payloads.encode_result("a 1", LONG)


@pytest.mark.parametrize("payloads", [PLAIN, Payloads(Pickled())])
def test_results_are_found_anywhere_in_a_value(payloads: Payloads) -> None:
    result: Result[str] = Result(None)  # type: ignore[arg-type]
    encode = encoder(payloads.serializer, lambda found: "here")
    value = [result, {"a": (1, result)}, Holder([result]), Point(result, NOON)]  # type: ignore[arg-type]
    text = encode(value)
    there = ["here", {"a": (1, "here")}, Holder(["here"]), Point("here", NOON)]  # type: ignore[arg-type]
    assert text == payloads.encode(there) or payloads.decode_value("it", text) == there
