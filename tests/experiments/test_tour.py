"""The page for students: its lines run one after another, and what it names is there."""

import re
from pathlib import Path

import numpy as np
import pytest

from nst import images

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "docs" / "tour.md"


@pytest.mark.slow
def test_the_lines_of_the_tour_run(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", TOUR.read_text(), re.M | re.S)
    code = "\n".join(blocks)
    assert len(blocks) >= 8 and "config.size = 192" in code
    (tmp_path / "nst").symlink_to(ROOT / "nst")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(code.replace("config.size = 192", "config.size = 96"), str(TOUR), "exec"), names)
    assert "True" in capsys.readouterr().out  # the Gram matrix is the product that the page says it is
    picture = images.read(tmp_path / "tour.png").rgb_HxWx3
    assert picture.shape == names["photo"].shape
    assert np.abs(picture - names["photo"]).mean() > 0.02
    features, gram = (names["curves"][name][0] for name in ("features", "gram"))
    assert (gram[1:] < 0.5 * features[1:]).all()
    assert float(names["loss"]) < float(sum(names["problem"].terms(
        names["job"].spec, names["targets"], names["x"]).values()))  # fmt: skip


def test_what_the_tour_names_is_there():
    text = TOUR.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (TOUR.parent / target).exists(), target
