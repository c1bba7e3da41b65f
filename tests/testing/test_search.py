"""Which runs are made, and in which order."""

from __future__ import annotations

from flowy_sim.explore._choices import LARGE_FRONTIER, Choice, Search, deviations

CHOICES = 40


def run(search: Search, choices: int) -> tuple[Choice, ...]:
    """Make a run with a number of choices between two possibilities."""
    alternative, schedule = search.next()
    for _ in range(choices):
        schedule.choose("turn", 2)
    search.add_alternatives(alternative, schedule.made)
    return tuple(schedule.made)


def test_a_small_space_is_explored_once_with_the_fewest_deviations_first() -> None:
    search = Search(0, set())
    made = []
    while search:
        made.append(run(search, 6))
    assert len(set(made)) == len(made) == 2**6
    deviating = [len(deviations(each)) for each in made]
    assert deviating == sorted(deviating)
    assert search.covered == 1


def test_of_a_large_space_every_other_run_is_a_sample_and_none_is_made_twice() -> None:
    search = Search(0, set())
    made = []
    while len(search) < LARGE_FRONTIER:
        made.append(run(search, CHOICES))
    assert max(len(deviations(each)) for each in made) == 1
    later = [run(search, CHOICES) for _ in range(100)]
    far = [each for each in later if len(deviations(each)) > 2]
    assert 0.4 < len(far) / len(later) <= 0.5
    assert len({*made, *later}) == len(made) + len(later)


def test_the_same_seed_takes_the_same_samples() -> None:
    first, second, other = (Search(seed, set()) for seed in (1, 1, 2))
    runs = [[run(each, CHOICES) for _ in range(100)] for each in (first, second, other)]
    assert runs[0] == runs[1] != runs[2]


def test_a_sample_is_about_as_likely_of_a_rare_kind_of_choice_as_of_a_common_one() -> None:
    search = Search(0, set())
    rare = 0
    for _ in range(400):
        alternative, schedule = search.next()
        is_rare = bool(alternative.chosen) and alternative.kind == "rare"
        rare += is_rare and len(search) >= LARGE_FRONTIER
        for place in range(CHOICES):
            schedule.choose("rare" if place % 20 == 10 else "common", 2)
        search.add_alternatives(alternative, schedule.made)
    # One choice in twenty is rare, and every other run is a sample: of others, there would be ten.
    assert rare > 20
