"""The algebra of sweeps against plain loops; the points, their names and what is refused."""

import copy
import hashlib
import importlib
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
from ml_collections import ConfigDict, config_dict

from configs import default
from nst.errors import UserError
from nst.networks import checkpoints, vgg
from nst.networks.pooling import MATCHED_GAIN, POOLING
from nst.optimizers.table import LINE_SEARCHES
from nst.runs import pictures, settings
from nst.sweeps import space
from nst.sweeps.space import chain, choice, filter, grid, log_uniform, points, random, select, uniform, zipped

FILES = sorted(path for path in Path("configs/sweeps").glob("*.py") if path.stem != "__init__")


def tiny():
    """A config with a field of every kind, two leaves of one name, and a reference."""
    config = ConfigDict()
    config.seed, config.rate, config.clamp, config.text = 0, 1.0, False, ""
    config.layers = ("a",)
    config.content, config.style = "", ("",)
    config.one = ConfigDict({"weight": 1.0, "kind": "x"})
    config.two = ConfigDict({"weight": 2.0})
    config.size = 512
    config.half = config.get_ref("size") // 2
    return config.lock()


def names(sweep, base=None):
    return [point.name for point in points(base or tiny(), sweep)]


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
    with pytest.raises(UserError, match="grid: two parts set [ab]; let each"):
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
    code = "from nst.sweeps.space import *; print(random(3, {'a': uniform(0, 1), 'b': choice('xyz'.split() + ['w'])}))"
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


# the points


def test_points_hold_their_overrides_and_leave_the_base():
    base = tiny()
    before = base.to_json()
    found = points(base, grid({"seed": (0, 5), "one.weight": (2, 3.5)}))
    assert [point.index for point in found] == [0, 1, 2, 3]
    for point, (seed, weight) in zip(found, itertools.product((0, 5), (2.0, 3.5)), strict=True):
        assert point.overrides == {"seed": seed, "one.weight": weight}
        assert type(point.overrides["one.weight"]) is float  # as the config has it, whatever was typed
        assert (point.config.seed, point.config.one.weight, point.config.two.weight) == (seed, weight, 2.0)
        expected = json.loads(before)
        expected["seed"], expected["one"]["weight"] = seed, weight
        assert json.loads(point.config.to_json()) == expected
        assert point.config.is_locked
    assert base.to_json() == before
    found[0].config.one.weight = 9.0
    assert base.one.weight == 1.0 and found[2].config.one.weight == 2.0


def test_an_unlocked_base_stays_unlocked():
    base = default.get_config()
    points(base, [{"seed": 1}])
    base.new = 1  # would be refused by a locked one


def test_a_reference_follows_a_swept_field():
    base = tiny()
    small, plain = points(base, [{"size": 100}, {}])
    assert (small.config.half, plain.config.half, base.half, base.size) == (50, 256, 256, 512)


def test_every_field_of_the_config_may_be_swept():
    base = default.get_config()
    for field in space._leaves(base):
        old = space.get(base, field)
        new = not old if isinstance(old, bool) else old + type(old)((1,) if isinstance(old, tuple) else 1)
        (point,) = points(base, [{field: new}])
        assert space.get(point.config, field) == new != old
        assert space.get(points(base, [{}])[0].config, field) == old


def test_swept_and_get():
    made = points(tiny(), [{"seed": 1}, {"one.weight": 2.0, "seed": 2}, {"rate": 0.5}])
    assert space.swept(point.overrides for point in made) == ("seed", "one.weight", "rate")
    assert [space.get(point.config, "one.weight") for point in made] == [1.0, 2.0, 1.0]
    assert [space.get(point.config, "seed") for point in made] == [1, 2, 0]
    assert space.swept(point.overrides for point in points(tiny(), [{}])) == ()


@pytest.mark.parametrize("field, value, kept", [
    ("style", "a.jpg", ("a.jpg",)), ("layers", ["b", "c"], ("b", "c")), ("layers", (), ()),
    ("rate", 2, 2.0), ("rate", np.float32(0.5), 0.5), ("clamp", True, True), ("seed", np.int32(4), 4),
])  # fmt: skip
def test_values_as_the_config_holds_them(field, value, kept):
    (point,) = points(tiny(), [{field: value}])
    assert point.overrides == {field: kept} and type(point.overrides[field]) is type(kept)
    assert space.get(point.config, field) == kept


@pytest.mark.parametrize("field, value, wanted", [
    ("seed", 1.0, "int, not float"), ("seed", "1", "int, not str"), ("seed", True, "int, not bool"),
    ("rate", True, "float, not bool"), ("rate", "fast", "float, not str"), ("clamp", 1, "bool, not int"),
    ("text", 3, "str, not int"), ("text", ("a",), "str, not tuple"), ("layers", 1, "tuple, not int"),
    ("one.weight", (1.0,), "float, not tuple"),
])  # fmt: skip
def test_values_of_another_type(field, value, wanted):
    with pytest.raises(UserError) as error:
        points(tiny(), [{}, {field: value}])
    assert str(error.value) == f"point 1 of the sweep: {field} = {value!r}: must be {wanted}"


def test_a_field_without_a_value_takes_its_type():
    base = tiny().unlock()
    base.later = config_dict.placeholder(int)
    assert points(base, [{"later": 3}])[0].config.later == 3
    with pytest.raises(UserError, match="later = 'x': must be int"):
        points(base, [{"later": "x"}])


@pytest.mark.parametrize("field, nearest", [
    ("network.poling", "network.pooling"), ("pooling", "network.pooling"), ("tv.weigth", "tv.weight"),
    ("netwrok.pooling_p", "network.pooling_p"), ("style.weight", "style_loss.weight"),
    ("style_loss.wieght", "style_loss.weight"),
    ("learning_rate", "optimizer.learning_rate"), ("optimiser.learning_rat", "optimizer.learning_rate"),
    ("sed", "seed"), ("seed.x", "seed"), ("Steps", "steps"), ("", None), ("xyzzy", None),
])  # fmt: skip
def test_a_misspelt_field_names_the_nearest(field, nearest):
    with pytest.raises(UserError, match=re.escape(f"has no field {field}; did you mean ")) as error:
        points(default.get_config(), [{"seed": 1}, {"seed": 2, field: "max"}])
    assert str(error.value).startswith("point 1 of the sweep: ")
    near = str(error.value).rpartition("did you mean ")[2].rstrip("?")
    assert near == nearest or (nearest is None and near in space._leaves(default.get_config()))


def test_a_group_is_no_field():
    with pytest.raises(UserError, match=r"point 0 .* network is a group of fields; set .* network.pooling,"):
        points(default.get_config(), [{"network": "vgg19"}])
    with pytest.raises(UserError, match=r"one is a group of fields; set one of one.kind, one.weight"):
        points(tiny(), [{"one": 1}])


@pytest.mark.parametrize("sweep, words", [
    ([], "no points"), (iter(()), "no points"), ([3], "3 is none"), (["seed"], "'seed' is none"),
    ([{3: 1}], "3: give the dotted name"), ([{"seed": None}], "seed = None: give a number"),
])  # fmt: skip
def test_what_is_no_sweep(sweep, words):
    with pytest.raises(UserError, match=words):
        points(tiny(), sweep)


@pytest.mark.parametrize("one, other", [
    ({"seed": 1, "rate": 2.0}, {"rate": 2, "seed": 1}), ({}, {}), ({"style": "a"}, {"style": ["a"]}),
])  # fmt: skip
def test_two_points_with_the_same_overrides(one, other):
    name = names([one])[0]
    with pytest.raises(UserError, match=re.escape(f"points 0 and 2 of the sweep are both {name}")):
        points(tiny(), [one, {"seed": 9}, other])


# names


def test_names_say_what_was_set():
    made = grid({"network.pooling": ("average", "l2"), "network.pooling_gain": (1, 0.0)})
    assert names(made, default.get_config()) == [
        "pooling=average,pooling_gain=1.0", "pooling=average,pooling_gain=0.0",
        "pooling=l2,pooling_gain=1.0", "pooling=l2,pooling_gain=0.0",
    ]  # fmt: skip
    assert names([{}]) == ["base"]
    assert names([{"seed": 3}, {"clamp": True}, {"rate": 1e-5}]) == ["seed=3", "clamp=True", "rate=1e-05"]
    assert names([{"rate": 0.1 + 0.2}, {"rate": 1e16}]) == ["rate=0.3", "rate=1e+16"]


def test_fields_stand_in_the_order_of_first_appearance():
    assert names([{"seed": 1}, {"rate": 2.0, "seed": 2}]) == ["seed=1", "seed=2,rate=2.0"]
    assert names([{"rate": 1.5}, {"seed": 2, "rate": 2.0}]) == ["rate=1.5", "rate=2.0,seed=2"]


def test_fields_with_a_common_end_use_more_of_the_path():
    assert names([{"one.weight": 3, "two.weight": 4}]) == ["one.weight=3.0,two.weight=4.0"]
    assert names([{"one.weight": 3}]) == ["one.weight=3.0"]  # so that a second weight renames nothing
    assert names([{"one.kind": "y"}]) == ["kind=y"]
    base = ConfigDict({"size": 1, "a": {"size": 1, "b": {"size": 1}}, "c": {"b": {"size": 1}}})
    fields = ("size", "a.size", "a.b.size", "c.b.size")
    assert names([{field: 2} for field in fields], base) == [f"{field}=2" for field in fields]


@pytest.mark.parametrize("value, text", [
    ("nst/data/images/cat.jpg", "cat"), ("C:\\pictures\\a cat.png", "a-cat"), ("cat.jpg", "cat"),
    ("vgg19_slim", "vgg19_slim"), ("weights/vgg.v2/w.safetensors", "w"), ("b1=0.9,b2=0.99", "b1-0.9-b2-0.99"),
    ("", "none"), ("Zürich", "Zurich"), ("猫", "none"), ('<>:"|?*\n\t%', "-"), ("a. ", "a.-"), ("a.", "a-"),
    ("../x/..", ".-"), ("photos/", "photos"),
])  # fmt: skip
def test_strings_in_names(value, text):
    assert names([{"text": value}]) == [f"text={text}"]


def test_tuples_in_names():
    assert names([{"layers": ("relu1_1", "relu2_1")}]) == ["layers=relu1_1+relu2_1"]
    assert names([{"style": ("x/a.jpg", "y/b.jpg")}]) == ["style=a+b"]
    assert names([{"layers": ()}, {"layers": (0.5, 2)}]) == ["layers=none", "layers=0.5+2"]


def digest(overrides):
    text = json.dumps(overrides, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def test_a_long_name_is_cut_and_told_apart():
    values = ["x" * 75, "x" * 76, "x" * 300, "x" * 299 + "y"]
    found = names([{"text": value} for value in values])
    assert found[0] == "text=" + "x" * 75 and len(found[0]) == 80
    for name, value in zip(found[1:], values[1:], strict=True):
        assert name == f"text={'x' * 66}-{digest({'text': value})}" and len(name) == 80
    assert len(set(found)) == 4


def test_names_alike_are_told_apart():
    sweep = [{"text": "A"}, {"text": "a"}, {"text": "x/b.jpg"}, {"text": "y/b.jpg"}, {"text": "y/B.png"}]
    found = names(sweep)
    assert found == [
        "text=A", f"text=a-{digest(sweep[1])}", "text=b", f"text=b-{digest(sweep[3])}",
        f"text=B-{digest(sweep[4])}",
    ]  # fmt: skip
    assert len({name.casefold() for name in found}) == len(found)


def test_every_name_is_a_folder_on_every_system(tmp_path):
    odd = [
        "con",
        "a/b",
        "a:b",
        "x" * 500,
        "..",
        ".",
        " ",
        "a\x00b",
        "é",
        "-",
        "~",
        "$HOME",
        "report",
        "%41",
        "LPT1.",
    ]
    sweep = chain([{}], grid({"text": odd}), grid({"layers": [(), ("a,b",), ("a", "b"), ("a+b",)]}))
    found = names(sweep)
    assert len({name.casefold() for name in found}) == len(sweep)
    for name in found:
        assert re.fullmatch(r"[A-Za-z0-9._=,+-]{1,80}", name) and name[-1] not in ". "
        assert name == "base" or "=" in name  # so none is report, results.csv, sweep.json, con, nul
        (tmp_path / name).mkdir()


def test_an_extended_sweep_keeps_its_names():
    sweep = grid({"seed": (0, 1), "text": ("a", "x/A.jpg", "b" * 90)})
    before = names(sweep)
    longer = chain(sweep, grid({"one.weight": (1.0, 2.0), "seed": (0, 5)}), [{"two.weight": 0.5}], [{}])
    assert names(longer)[: len(sweep)] == before
    finer = grid({"seed": (7, 0, 1), "text": ("c", "a", "x/A.jpg", "b" * 90)})
    kept = dict(zip([str(point) for point in finer], names(finer), strict=True))
    assert [kept[str(point)] for point in sweep] == before
    shuffled = [sweep[index] for index in np.random.default_rng(0).permutation(len(sweep))]
    assert sorted(names([{"seed": 3, "text": ""}, *sweep])[1:]) == sorted(before)
    different = {name for name in names(shuffled) if name not in before}
    assert all("-" in name for name in different)  # only those alike may change which of them has the digest
    assert names([sweep[4]]) == [before[4].partition("-")[0]]


# select


def test_select():
    made = points(tiny(), grid({"seed": range(10)}))
    for only, expected in (
        ("3", [3]), ("3,7", [3, 7]), ("3-7", [3, 4, 5, 6, 7]), (" 7 , 3 ", [3, 7]),
        ("0-1,1,9", [0, 1, 9]), ("4-4", [4]),
    ):  # fmt: skip
        assert [point.index for point in select(made, only)] == expected
    some = select(made, "5-9")
    assert [point.index for point in select(some, "9,5")] == [5, 9]
    with pytest.raises(UserError, match="the points are 5 to 9"):
        select(some, "2")


@pytest.mark.parametrize("only, words", [
    ("10", "only = '10': 10: the points are 0 to 9"), ("3,12", "12: the points"), ("7-3", "7-3: the points"),
    ("0-99999999999", "the points are 0 to 9"), ("", "give indices"), ("a", "only = 'a': give indices"),
    ("3,", "give indices"), ("-1", "give indices"), ("1.5", "give indices"), ("1-2-3", "give indices"),
    ("seed=3", "give indices"), ("٣", "give indices"),
])  # fmt: skip
def test_senseless_selections(only, words):
    with pytest.raises(UserError, match=re.escape(words)):
        select(points(tiny(), grid({"seed": range(10)})), only)


# configs/sweeps


def load(path):
    module = importlib.import_module(f"configs.sweeps.{path.stem}")
    return module, points(module.get_config(), module.sweep())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_point_of_every_sweep_can_run(path):
    """All that nst.runs.job checks before it computes, and that the pictures and layers are there."""
    module, made = load(path)
    used = {}
    for point in made:
        config = point.config
        settings.check_counts(config)
        settings.make_optimizer(config)
        chosen = config.weights
        made_for = checkpoints.convention(chosen.name, chosen.architecture, chosen.preprocessing)
        spec = settings.make_spec(config, settings.make_network(config, made_for))
        settings.make_problem_weights(config, spec, len(config.style))
        vgg.layers_to(made_for.architecture, spec.layers)
        assert config.init.kind in pictures.INITS
        assert all(Path(name).exists() for name in (config.content, *config.style))
        if made_for.widths:
            used.setdefault(chosen.name, set()).update(spec.layers)
    for name, layers in used.items():  # a slim network ends at conv5_1
        checkpoints.load(name, "vgg19", tuple(sorted(layers)), 0)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_sweep_has_a_runbook(path):
    module, made = load(path)
    words = module.__doc__
    command = f"python -m experiments.sweep --config=configs/sweeps/{path.name} --workdir=runs/{path.stem}"
    assert command in words and "Gatys" in words
    assert re.search(r"(\d+) points", words)[1] == str(len(made))
    assert {point.config.size for point in made} == {512 if path.stem == "pyramids" else 256}
    assert len({json.dumps(settings.as_dict(point.config)) for point in made}) == len(made)


def test_the_sweeps_cover_what_there_is():
    pools = [space.get(point.config, "network.pooling") for point in load(Path("pooling"))[1]]
    assert sorted(pools) == sorted(2 * [name for name in POOLING if MATCHED_GAIN[name] != 1] + ["max"])
    assert {point.config.init.kind for point in load(Path("inits"))[1]} == set(pictures.INITS) - {"image"}
    betas = {point.config.style_loss.weight for point in load(Path("weights"))[1]}
    assert max(betas) / min(betas) == pytest.approx(1e4)
    searches = {point.config.optimizer.line_search for point in load(Path("optimisers"))[1]}
    assert searches == set(LINE_SEARCHES)
    networks = {point.config.weights.name for point in load(Path("networks"))[1]}
    assert networks >= {"vgg19_slim", "vgg19", "vgg16", "random"}
    made = load(Path("layers"))[1]
    used = {layer for point in made for layer in settings.layers(point.config)}
    assert {layer[4] for layer in used if layer.startswith("conv")} == set("12345")
    assert {layer[4] for layer in used if layer.startswith("relu")} == set("12345")
