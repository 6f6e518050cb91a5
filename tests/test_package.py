"""What is installed: only nst, with its configs and its data."""

from pathlib import Path

import nst
import nst.configs
from nst.configs import default
from nst.configs.sweeps import pooling

ROOT = Path(__file__).parents[1]


def test_nst_and_its_configs_are_those_of_the_same_checkout():
    assert Path(nst.__file__).parent == ROOT / "nst"
    assert list(nst.configs.__path__) == [str(ROOT / "configs")]
    assert Path(default.__file__) == ROOT / "configs/default.py"
    assert Path(pooling.__file__) == ROOT / "configs/sweeps/pooling.py"
