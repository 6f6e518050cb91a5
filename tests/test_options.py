"""Keyword arguments in a config field, and what each representation of style does not take."""

import pytest

from nst.errors import UserError
from nst.options import parse
from nst.styles.table import style


def function(degree=2, offset=0.0):
    pass


def other(samples=8, degree=1):
    pass


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", {}),
        (" ", {}),
        ("degree=3", {"degree": 3}),
        ("degree=3,offset=-1.5", {"degree": 3, "offset": -1.5}),
        (" degree = 3 , offset = 1e-3, ", {"degree": 3, "offset": 1e-3}),
        ("degree=(1, 2)", {"degree": (1, 2)}),
        ("offset='a,b=c'", {"offset": "a,b=c"}),
        ("samples=4,offset=1", {"samples": 4, "offset": 1}),
    ],
)
def test_options(text, expected):
    assert parse("style_loss.options", text, function, other) == expected


@pytest.mark.parametrize(
    "text",
    [
        "degree",
        "degree=",
        "3",
        "degree=3 offset=1",
        "degree=three",
        "degree=3)",
        "degree=(3",
        "degree=f(3)",
        "degree=3).offset",
        "degree=3)+(3",
        "degree=1)(offset=2",
        "degree={[]: 1}",
        "degree=1,degree=2",
        "**{'degree': 3}",
        "*[3]",
        "degree:3",
    ],
)
def test_what_is_written_otherwise_is_refused(text):
    with pytest.raises(UserError, match="style_loss.options"):
        parse("style_loss.options", text, function)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UserError, match="style_loss.options, option = 'degre': did you mean 'degree'"):
        parse("style_loss.options", "degre=3", function, other)


def test_where_there_are_no_options():
    assert parse("f", "", lambda: None) == {}
    with pytest.raises(UserError, match="f = 'degree=3': there are no options here"):
        parse("f", "degree=3", lambda: None)


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("gram_long", "shifts=()"),
        ("gram_long", "shifts=(1, -1)"),
        ("gram_long", "shifts=(0.5,)"),
        ("gram_long", "shifts=2"),
        ("gram_shift", "shift='a'"),
        ("moments_k", "order=1"),
        ("moments_k", "order=2.5"),
        ("moments_k", "order=1000000000"),
        ("wasserstein_gaussian", "iterations=1000000000"),
        ("sliced_wasserstein", "projections=100000000000"),
        ("mmd_polynomial", "degree=1000"),
        ("gram_shift", "shift=1e39"),
        ("gram_shift", f"shift={10**400}"),
        ("mmd_polynomial", "degree=0"),
        ("mmd_polynomial", "degree=2.5"),
        ("mmd_polynomial", "offset='a'"),
        ("mmd_polynomial", "degree=3,features=0"),
        ("mmd_gaussian", "bandwidth=0"),
        ("mmd_gaussian", "bandwidth=-1.0"),
        ("mmd_gaussian", "bandwidth='a'"),
        ("mmd_gaussian", "features=0"),
        ("mmd_laplacian", "bandwidth=0"),
        ("mmd_laplacian", "features=2.5"),
        ("contextual", "bandwidth=0"),
        ("contextual", "samples=-1"),
        ("remd", "samples=0"),
        ("column_moments", "samples='all'"),
        ("palette", "samples=0"),
        ("sliced_wasserstein", "projections=-1"),
        ("sliced_wasserstein", "projections=1.5"),
        ("wasserstein_gaussian", "floor=-1.0"),
        ("wasserstein_gaussian", "iterations=-1"),
        ("wasserstein_gaussian", "iterations=1.5"),
        ("mrf", "size=0"),
        ("mrf", "size=2.5"),
        ("mrf", "stride=0"),
    ],
)
def test_wrong_values_are_refused_by_name(name, wrong):
    option = wrong.split("=")[-2].split(",")[-1]
    with pytest.raises(UserError, match=f"style_loss.options: .*{option}"):
        style(name, "relative", wrong)


def test_options_go_to_those_that_take_them():
    """`samples` to both, `bandwidth` to one."""
    found = style("remd+contextual", "none", "bandwidth=0.3,samples=77")
    assert [of.samples for of in found.values()] == [77, 77]
    found = style("remd+gram_shift", "relative", "samples=5,shift=0.5")
    assert [of.samples for of in found.values()] == [5, 0]


def test_options_that_none_takes_are_refused():
    with pytest.raises(UserError, match="style_loss.options, option = 'bandwidth'.*order"):
        style("moments_k+gram", "relative", "bandwidth=1.0")
    with pytest.raises(UserError, match="no options"):
        style("gram+moments", "relative", "degree=2")
    with pytest.raises(UserError, match="style_loss.options, option = 'normalization'"):
        style("moments_k", "relative", "normalization='none'")
