"""The points of a sweep: their configs and names, what selects them, and which overrides are refused."""

import hashlib
import itertools
import json
import re

import numpy as np
import pytest
from ml_collections import ConfigDict, config_dict

from nst.configs import default
from nst.errors import UserError
from nst.sweeps.points import field_names, get_field, make_points, select, varied_fields
from nst.sweeps.space import chain, grid


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
    return [point.name for point in make_points(base or tiny(), sweep)]


# the points


def test_points_hold_their_overrides_and_leave_the_base():
    base = tiny()
    before = base.to_json()
    found = make_points(base, grid({"seed": (0, 5), "one.weight": (2, 3.5)}))
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
    base = default.get_config().unlock()
    make_points(base, [{"seed": 1}])
    base.new = 1  # would be refused by a locked one


def test_a_reference_follows_a_swept_field():
    base = tiny()
    small, plain = make_points(base, [{"size": 100}, {}])
    assert (small.config.half, plain.config.half, base.half, base.size) == (50, 256, 256, 512)


def test_every_field_of_the_config_may_be_swept():
    base = default.get_config()
    for field in field_names(base):
        old = get_field(base, field)
        new = not old if isinstance(old, bool) else old + type(old)((1,) if isinstance(old, tuple) else 1)
        (point,) = make_points(base, [{field: new}])
        assert get_field(point.config, field) == new != old
        assert get_field(make_points(base, [{}])[0].config, field) == old


def test_swept_and_get():
    made = make_points(tiny(), [{"seed": 1}, {"one.weight": 2.0, "seed": 2}, {"rate": 0.5}])
    assert varied_fields(point.overrides for point in made) == ("seed", "one.weight", "rate")
    assert [get_field(point.config, "one.weight") for point in made] == [1.0, 2.0, 1.0]
    assert [get_field(point.config, "seed") for point in made] == [1, 2, 0]
    assert varied_fields(point.overrides for point in make_points(tiny(), [{}])) == ()


@pytest.mark.parametrize("field, value, kept", [
    ("style", "a.jpg", ("a.jpg",)), ("layers", ["b", "c"], ("b", "c")), ("layers", (), ()),
    ("rate", 2, 2.0), ("rate", np.float32(0.5), 0.5), ("clamp", True, True), ("seed", np.int32(4), 4),
])  # fmt: skip
def test_values_as_the_config_holds_them(field, value, kept):
    (point,) = make_points(tiny(), [{field: value}])
    assert point.overrides == {field: kept} and type(point.overrides[field]) is type(kept)
    assert get_field(point.config, field) == kept


@pytest.mark.parametrize("field, value, wanted", [
    ("seed", 1.0, "int, not float"), ("seed", "1", "int, not str"), ("seed", True, "int, not bool"),
    ("rate", True, "float, not bool"), ("rate", "fast", "float, not str"), ("clamp", 1, "bool, not int"),
    ("text", 3, "str, not int"), ("text", ("a",), "str, not tuple"), ("layers", 1, "tuple, not int"),
    ("one.weight", (1.0,), "float, not tuple"),
])  # fmt: skip
def test_values_of_another_type(field, value, wanted):
    with pytest.raises(UserError) as error:
        make_points(tiny(), [{}, {field: value}])
    assert str(error.value) == f"point 1 of the sweep: {field} = {value!r}: must be {wanted}"


def test_a_field_without_a_value_takes_its_type():
    base = tiny().unlock()
    base.later = config_dict.placeholder(int)
    assert make_points(base, [{"later": 3}])[0].config.later == 3
    with pytest.raises(UserError, match="later = 'x': must be int"):
        make_points(base, [{"later": "x"}])


@pytest.mark.parametrize("field, nearest", [
    ("network.poling", "network.pooling"), ("pooling", "network.pooling"), ("tv.weigth", "tv.weight"),
    ("netwrok.pooling_p", "network.pooling_p"), ("style.weight", "style_loss.weight"),
    ("style_loss.wieght", "style_loss.weight"),
    ("learning_rate", "optimizer.learning_rate"), ("optimiser.learning_rat", "optimizer.learning_rate"),
    ("sed", "seed"), ("seed.x", "seed"), ("Steps", "steps"), ("", None), ("xyzzy", None),
])  # fmt: skip
def test_a_misspelt_field_names_the_nearest(field, nearest):
    with pytest.raises(UserError, match=re.escape(f"has no field {field}; did you mean ")) as error:
        make_points(default.get_config(), [{"seed": 1}, {"seed": 2, field: "max"}])
    assert str(error.value).startswith("point 1 of the sweep: ")
    near = str(error.value).rpartition("did you mean ")[2].rstrip("?")
    assert near == nearest or (nearest is None and near in field_names(default.get_config()))


def test_a_group_is_no_field():
    with pytest.raises(UserError, match=r"point 0 .* network is a group of fields; set .* network.pooling,"):
        make_points(default.get_config(), [{"network": "vgg19"}])
    with pytest.raises(UserError, match=r"one is a group of fields; set one of one.kind, one.weight"):
        make_points(tiny(), [{"one": 1}])


@pytest.mark.parametrize("sweep, words", [
    ([], "no points"), (iter(()), "no points"), ([3], "3 is not a dict"), (["seed"], "'seed' is not a dict"),
    ([{3: 1}], "3: give the dotted name"), ([{"seed": None}], "seed = None: give a number"),
])  # fmt: skip
def test_what_is_no_sweep(sweep, words):
    with pytest.raises(UserError, match=words):
        make_points(tiny(), sweep)


@pytest.mark.parametrize("one, other", [
    ({"seed": 1, "rate": 2.0}, {"rate": 2, "seed": 1}), ({}, {}), ({"style": "a"}, {"style": ["a"]}),
])  # fmt: skip
def test_two_points_with_the_same_overrides(one, other):
    name = names([one])[0]
    with pytest.raises(UserError, match=re.escape(f"points 0 and 2 of the sweep are both {name}")):
        make_points(tiny(), [one, {"seed": 9}, other])


# names


def test_names_say_what_was_set():
    made = grid({"network.pooling": ("average", "l2"), "network.pooling_gain": (1, 0.0)})
    assert names(made, default.get_config()) == [
        "pooling=average,pooling_gain=1.0", "pooling=average,pooling_gain=0.0",
        "pooling=l2,pooling_gain=1.0", "pooling=l2,pooling_gain=0.0",
    ]  # fmt: skip
    assert names([{}]) == ["base"]
    assert names([{"seed": 3}, {"clamp": True}, {"rate": 1e-5}]) == ["seed=3", "clamp=True", "rate=1e-05"]
    assert names([{"rate": 0.3}, {"rate": 1e16}, {"rate": -0.125}]) == [
        "rate=0.3",
        "rate=1e+16",
        "rate=-0.125",
    ]


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
    end = "" if value == text else f",{digest({'text': value})}"
    assert names([{"text": value}]) == [f"text={text}{end}"]


def test_tuples_in_names():
    assert names([{"layers": ("relu1_1", "relu2_1")}]) == ["layers=relu1_1+relu2_1"]
    paths = {"style": ("x/a.jpg", "y/b.jpg")}
    assert names([paths]) == [f"style=a+b,{digest(paths)}"]
    assert names([{"layers": ()}, {"layers": (0.5, 2)}]) == ["layers=none", "layers=0.5+2"]


def digest(overrides):
    text = json.dumps(overrides, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def test_a_long_name_is_cut_and_told_apart():
    values = ["x" * 75, "x" * 76, "x" * 300, "x" * 299 + "y"]
    found = names([{"text": value} for value in values])
    assert found[0] == "text=" + "x" * 75 and len(found[0]) == 80
    for name, value in zip(found[1:], values[1:], strict=True):
        assert name == f"text={'x' * 66},{digest({'text': value})}" and len(name) == 80
    assert len(set(found)) == 4


@pytest.mark.parametrize("field, values", [
    ("rate", (1.0000001, 1.0000002, 1.0)), ("rate", (0.1 + 0.2, 0.3, np.nextafter(0.3, 0))),
    ("content", ("a/photo.jpg", "b/photo.jpg", "photo.jpg", "photo.png", "photo")),
    ("content", ("C:\\photo.jpg", "~/photo.jpg", "PHOTO.jpg")), ("text", ("A", "a", "", "none", "é", "e")),
    ("text", ("a b", "a-b", "a/b", "a.", "a-")), ("style", (("a/x.jpg",), ("b/x.jpg",), ("x",), ("x", "x"))),
    ("layers", ((), ("",), ("none",), ("a", "b"), ("a+b",), ("a,b",), (1,), ("1",), (1.0,))),
    ("layers", ((True,), ("True",), ("true",))),
    ("layers", (((1, 2), (3,)), ((1,), (2, 3)), (1, 2, 3))),
])  # fmt: skip
def test_values_that_differ_never_share_a_folder(field, values):
    alone = [names([{field: value}])[0] for value in values]  # as when the sweep is edited in between
    assert len({name.casefold() for name in alone}) == len(values), alone
    assert names([{field: value} for value in values]) == alone
    assert all(len(name) <= 80 for name in alone)


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
    assert sorted(names(shuffled)) == sorted(before) == sorted(names([{"seed": 3}, *sweep])[1:])
    assert names([sweep[4]]) == [before[4]]


# select


def test_select():
    made = make_points(tiny(), grid({"seed": range(10)}))
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
        select(make_points(tiny(), grid({"seed": range(10)})), only)
