"""Values as JSON, and texts that must not be too long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy import SerializationError, TaskFailed
from flowy._payloads.text import DATA_LIMIT, REASON_LIMIT, cut, length, reason_and_details
from flowy.payloads import PLAIN

TEXTS = st.text(st.characters(exclude_categories=()))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda values: st.lists(values) | st.dictionaries(TEXTS, values),
    max_leaves=10,
)


@given(st.lists(VALUES), st.dictionaries(TEXTS, VALUES))
def test_input_comes_back_as_it_was(args: list[Any], kwargs: dict[str, Any]) -> None:
    assert PLAIN.decode_input("a 1", PLAIN.encode_input("a 1", args, kwargs)) == (args, kwargs)


@given(VALUES)
def test_a_result_comes_back_as_it_was(value: Any) -> None:
    assert PLAIN.decode_result("a 1", PLAIN.encode_result("a 1", value)) == value


def test_input_is_a_list_of_arguments_and_an_object_of_keyword_arguments() -> None:
    assert PLAIN.encode_input("a 1", (10,), {}) == "[[10], {}]"
    assert PLAIN.encode_input("a 1", ("photo.jpg", (1, 2)), {"size": None}) == (
        '[["photo.jpg", [1, 2]], {"size": null}]'
    )


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("args", "kwargs", "sentence"),
    [
        (
            (1, object()),
            {},
            "argument 2 of a 1 cannot be sent as JSON: JSON has no type for object",
        ),
        (
            (),
            {"when": 1j},
            "argument 'when' of a 1 cannot be sent as JSON: JSON has no type for complex",
        ),
        ((float("nan"),), {}, "argument 1 of a 1 cannot be sent as JSON"),
        ((LOOP,), {}, "argument 1 of a 1 cannot be sent as JSON: Circular"),
        (({(1, 2): 3},), {}, "argument 1 of a 1 cannot be sent as JSON: keys"),
        (
            ("small", "x" * 32_768),
            {"size": 64},
            "the input of a 1 takes 32,797 characters as JSON, argument 2 alone 32,770",
        ),
    ],
)
def test_an_argument_that_cannot_be_sent_is_named(
    args: tuple[Any, ...], kwargs: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SerializationError, match=sentence):
        PLAIN.encode_input("a 1", args, kwargs)


def test_a_result_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(SerializationError, match="the result of a 1 cannot be sent as JSON"):
        PLAIN.encode_result("a 1", object())
    with pytest.raises(SerializationError, match=r"takes 32,769 characters .* accepts 32,768"):
        PLAIN.encode_result("a 1", "x" * (DATA_LIMIT - 1))
    assert len(PLAIN.encode_result("a 1", "x" * (DATA_LIMIT - 2))) == DATA_LIMIT


# Cutting


@given(TEXTS, st.integers(20, 40), st.floats(0, 1))
def test_a_cut_text_has_room_and_keeps_its_ends(text: str, limit: int, keep_end: float) -> None:
    short = cut(text, limit, keep_end)
    assert length(short) <= limit
    if length(text) <= limit:
        assert short == text
    else:
        start, _, end = short.partition(" … ")
        assert text.startswith(start)
        assert text.endswith(end)


def test_characters_beyond_the_first_65536_count_twice() -> None:
    assert length("a😀") == 3
    assert cut("😀" * 200, REASON_LIMIT) == "😀" * 126 + " … "


def test_a_reason_is_the_exceptions_class_and_message_and_details_are_its_traceback() -> None:
    def broken() -> None:
        raise KeyError("size")

    try:
        broken()
    except KeyError as error:
        reason, details = reason_and_details(error)
    assert reason == "KeyError: 'size'"
    assert details.startswith("Traceback (most recent call last)")
    assert "in broken" in details
    assert details.endswith("KeyError: 'size'\n")
    assert reason_and_details(ValueError())[0] == "ValueError"


def test_an_exception_whose_message_cannot_be_shown_still_has_a_reason() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert reason_and_details(Mute())[0] == "Mute: its message cannot be shown"


def test_long_reasons_and_tracebacks_are_cut_and_keep_what_matters() -> None:
    reason, details = reason_and_details(ValueError("why " + "x" * 100_000 + " the end"))
    assert (length(reason), reason[:15]) == (REASON_LIMIT, "ValueError: why")
    assert length(details) <= DATA_LIMIT
    assert details.endswith("the end\n")


def test_an_error_from_far_away_keeps_its_traceback() -> None:
    error = TaskFailed("a 1", "a-1", 1, "ValueError: no", "Traceback of there")
    assert reason_and_details(error) == ("a 1 (a-1) failed: ValueError: no", "Traceback of there")


def test_json_has_no_lone_surrogate_so_that_every_text_can_be_sent() -> None:
    assert PLAIN.encode_result("a 1", "\udcff é") == r'"\udcff é"'
    assert PLAIN.encode_result("a 1", "\udcff é").encode()
