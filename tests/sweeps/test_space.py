"""The algebra of sweeps against plain loops, and which values and distributions are refused."""

import copy
import itertools
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nst.errors import UserError
from nst.sweeps.space import chain, choice, filter, grid, load_sweep, log_uniform, random, uniform, zipped

# the algebra


def test_grid_is_nested_loops():
    found = grid({"a": (1, 2), "b": ("x", "y", "z")}, {"c": [True, False]})
    expected = []
    for a in (1, 2):
        for b in ("x", "y", "z"):
            for c in (True, False):
                expected.append({"a": a, "b": b, "c": c})
    assert found == expected
    assert [list(point) for point in found] == [["a", "b", "c"]] * 12  # the order of the fields too


def test_grid_of_sweeps_and_fields():
    pairs = [{"a": 1, "b": 2}, {"a": 3}]
    found = grid({"s": range(2)}, pairs, [{}])
    assert found == [{"s": s} | pair for s, pair in itertools.product(range(2), pairs)]
    assert grid() == grid({}) == [{}]
    assert grid({"a": (1, 2)}, []) == []


@pytest.mark.parametrize("parts", [
    ({"a": (1,)}, {"a": (2,)}),
    ({"a": (1,), "b": (1,)}, [{"c": 1}, {"b": 2}]),
    ([{"b": 1}], [{}, {"b": 1}]),
])  # fmt: skip
def test_a_field_in_two_parts_of_a_grid(parts):
    with pytest.raises(UserError, match="grid: two parts set [ab]; set each"):
        grid(*parts)


def test_zipped_is_side_by_side():
    assert zipped({"a": (1, 2), "b": "xy".split() + ["z"]}) == [{"a": 1, "b": "xy"}, {"a": 2, "b": "z"}]
    with pytest.raises(UserError, match="zipped: 2 of a, 3 of b.b: give as many"):
        zipped({"a": (1, 2), "b.b": range(3)})


def test_chain_and_filter():
    one, other = grid({"a": range(3)}), [{"b": 1}]
    assert chain(one, other, one) == [*one, *other, *one]
    assert chain() == []
    assert filter(lambda point: point["a"] % 2 == 0, one) == [{"a": 0}, {"a": 2}]
    assert filter(lambda point: "a" in point, iter(chain(one, other))) == one


def test_nothing_is_changed_or_shared():
    part, other = {"a": [[1, 2], [3]]}, [{"b": 1}]
    before = copy.deepcopy((part, other))
    for made in (grid(part, other), chain(other), filter(lambda point: True, other)):
        for point in made:
            point["b"] = 7
    filter(lambda point: point.clear() or True, other)
    assert (part, other) == before


@pytest.mark.parametrize("given, kept", [
    ([1, [2, 3]], (1, (2, 3))), (np.float32(0.5), 0.5), (np.int64(3), 3), (np.bool_(True), True),
    (np.array([1, 2]), (1, 2)), (np.str_("a"), "a"), (Path("a/b.jpg"), str(Path("a/b.jpg"))), ((), ()),
    ([[1], [2, 3]], ((1,), (2, 3))),
])  # fmt: skip
def test_values_become_plain(given, kept):
    for made in (grid({"a": [given]}), zipped({"a": [given]}), chain([{"a": given}])):
        (value,) = made[0].values()
        assert value == kept and type(value) is type(kept)
        json.dumps(value)
    if isinstance(kept, tuple) and kept:
        assert not isinstance(grid({"a": [given]})[0]["a"][0], np.generic)


@pytest.mark.parametrize("values, words", [
    ("average", "a = 'average': give a sequence"), (3, "a = 3: give a sequence"),
    ([], "a: give at least one"), ({1, 2}, "a = {1, 2}: give a sequence"), ({"x": 1}, "give a sequence"),
    ([None], "a = None: give a number"), ([{"x": 1}], "give a number"),
    ([math.nan], "a = nan: give a finite"), ([(1, math.inf)], "finite"),
    ([1j], "give a number"), (Path("x"), "give a sequence"),
])  # fmt: skip
def test_values_that_are_none(values, words):
    for part in (grid, zipped):
        with pytest.raises(UserError, match=re.escape(words)) as error:
            part({"a": values})
        assert "\n" not in str(error.value)


# random


def test_draws_lie_where_they_should():
    fields = {"u": uniform(-1, 3), "l": log_uniform(1e-2, 1e2), "c": choice(["x", "y", ("z",)])}
    found = random(4000, fields)
    u, log = (np.array([point[name] for point in found]) for name in "ul")
    assert all(type(point["u"]) is float is type(point["l"]) for point in found)
    # mean and variance of U(a, b), and a quarter of the draws in each quarter; 5 standard errors
    assert u.min() >= -1 and u.max() <= 3 and abs(u.mean() - 1) < 5 * (4 / 12**0.5) / 4000**0.5
    for values, low, high in ((u, -1, 3), (np.log10(log), -2, 2)):
        counts, _ = np.histogram(values, bins=4, range=(low, high))
        assert counts.sum() == 4000 and np.abs(counts - 1000).max() < 5 * (4000 * 3 / 16) ** 0.5
    drawn = [point["c"] for point in found]
    assert {drawn.count(value) > 1200 for value in ("x", "y", ("z",))} == {True}
    assert len(set(drawn)) == 3 and abs(np.corrcoef(u, np.log(log))[0, 1]) < 0.08


def test_draws_depend_on_the_seed_and_the_field_alone():
    rate, weight = {"rate": uniform(0, 1)}, {"weight": uniform(0, 1)}
    alone = random(5, rate, seed=3)
    for fields in (rate | weight, weight | rate):
        assert [point["rate"] for point in random(5, fields, seed=3)] == [p["rate"] for p in alone]
    assert random(9, rate, seed=3)[:5] == alone  # more points leave those that are there
    assert random(5, rate, seed=4) != alone
    both = random(5, rate | weight, seed=3)
    assert all(point["rate"] != point["weight"] for point in both)
    distribution = choice(range(100))  # one object in two fields, and drawn from before
    assert random(4, {"a": distribution, "b": distribution}) == random(
        4, {"a": distribution, "b": distribution}
    )


def test_draws_are_the_same_in_another_process():
    code = (
        "from nst.sweeps.space import *;"
        "print(random(3, {'a': uniform(0, 1), 'b': choice('xyz'.split() + ['w'])}))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": s},
        )
        for s in "12"
    ]
    assert runs[0].stdout == runs[1].stdout != ""
    expected = random(3, {"a": uniform(0, 1), "b": choice(["xyz", "w"])})
    assert runs[0].stdout.strip() == str(expected)
    # known numbers: the folders of random sweeps are named by them, so they change with NumPy's stream alone
    assert [round(point["a"], 6) for point in expected] == [0.932893, 0.663713, 0.779217]


@pytest.mark.parametrize("make, words", [
    (lambda: uniform(1, 1), "uniform(1, 1): give two finite numbers, the lower first"),
    (lambda: uniform(2, 1), "the lower first"), (lambda: uniform(0, math.inf), "finite"),
    (lambda: uniform("a", 1), "uniform('a', 1): give two finite"), (lambda: uniform(None, 1), "finite"),
    (lambda: uniform(-1.7e308, 1.7e308), "finite"), (lambda: uniform(math.nan, 1), "finite"),
    (lambda: log_uniform(0, 1), "log_uniform(0.0, 1.0): both must be positive"),
    (lambda: log_uniform(-2, 1), "positive"), (lambda: log_uniform(3, 2), "log_uniform(3, 2): give two"),
    (lambda: choice([]), "choice: give at least one value"), (lambda: choice("abc"), "give a sequence"),
    (lambda: random(0, {"a": uniform(0, 1)}), "random: count = 0: give a whole number, at least 1"),
    (lambda: random(2.5, {"a": uniform(0, 1)}), "count = 2.5"),
    (lambda: random(2, {"a": uniform(0, 1)}, seed=-1), "seed = -1"),
    (lambda: random(2, {}), "at least one field"),
    (lambda: random(2, {"a": (0, 1)}), "a = (0, 1): give uniform"),
])  # fmt: skip
def test_senseless_distributions(make, words):
    with pytest.raises(UserError, match=re.escape(words)):
        make()


def test_an_error_in_the_code_of_a_sweep_is_one_line_that_names_the_place(tmp_path):
    path = tmp_path / "sw.py"
    path.write_text("def sweep():\n    return 1 + 'a'\n")
    with pytest.raises(UserError, match=r"sw.py:2: TypeError: unsupported operand"):
        load_sweep(str(path))
