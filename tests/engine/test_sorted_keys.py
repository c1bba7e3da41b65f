from hypothesis import given
from hypothesis import strategies as st

from flowy_sim._engine.visibility import SortedKeys

KEYS = st.sets(st.integers(0, 200), max_size=100)


@given(KEYS, KEYS, st.integers(-5, 205), st.integers(-5, 205))
def test_keys_behave_like_a_sorted_set(
    added: set[int], removed: set[int], low: int, high: int
) -> None:
    keys = SortedKeys()
    for key in added:
        keys.add(key)
    for key in removed & added:
        keys.remove(key)
    expected = sorted(key for key in added - removed if low <= key < high)
    assert list(keys.between(low, high)) == expected
    assert list(keys.between(low, high, descending=True)) == expected[::-1]
    assert keys.count(low, high) == len(expected)
    assert bool(keys) == bool(added - removed)


def test_many_keys_in_any_order_are_sorted_and_removed_again() -> None:
    keys = SortedKeys()
    scattered = [number * 7919 % 20_011 for number in range(20_011)]
    for key in scattered:
        keys.add(key)
    assert list(keys.between(0, 20_011)) == list(range(20_011))
    assert keys.count(5_000, 15_000) == 10_000
    for key in scattered[:20_000]:
        keys.remove(key)
    assert list(keys.between(0, 20_011)) == sorted(scattered[20_000:])
    for key in scattered[20_000:]:
        keys.remove(key)
    assert not keys
