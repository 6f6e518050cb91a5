"""What is installed: only nst, with its configs and its data."""

from pathlib import Path

import numpy as np
import pytest

import nst
import nst.configs
from nst.configs import default, quickstart, trial
from nst.configs.sweeps import pooling, styles, weights
from nst.data import picture

ROOT = Path(__file__).parents[1]


def test_nst_and_its_configs_are_those_of_the_same_checkout():
    assert Path(nst.__file__).parent == ROOT / "nst"
    assert list(nst.configs.__path__) == [str(ROOT / "configs")]
    assert Path(default.__file__) == ROOT / "configs/default.py"
    assert Path(pooling.__file__) == ROOT / "configs/sweeps/pooling.py"


@pytest.mark.parametrize("here", [ROOT, ROOT / "nst/data", ROOT / "docs"])
def test_the_pictures_that_come_with_nst_are_found_from_any_folder(here, monkeypatch):
    monkeypatch.chdir(here)
    configs = [quickstart.get_config(), trial.get_config(), *styles.sweep(), *weights.sweep()]
    paths = [path for config in configs for path in (config["content"], *np.atleast_1d(config["style"]))]
    assert all(Path(path).samefile(ROOT / "nst/data/images" / Path(path).name) for path in paths)


def test_the_path_of_a_picture_is_relative_below_the_current_folder(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert picture("cat.jpg") == "nst/data/images/cat.jpg"
    monkeypatch.chdir(ROOT / "docs")
    assert picture("cat.jpg") == (ROOT / "nst/data/images/cat.jpg").as_posix()
