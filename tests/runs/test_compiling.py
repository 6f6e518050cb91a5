"""The programs of a run: which there are, and that none is compiled twice."""

import numpy as np

from nst import images
from tests.helpers.kept import folder, later_process
from tests.helpers.running import small, stylize

__all__ = ["folder"]  # a fixture


def kept(folder):
    """Returns {kind-function: number of entries} of the folder."""
    names = [path.name.rpartition("-")[0] for path in folder.iterdir()]
    return {name: names.count(name) for name in names}


def test_a_run_compiles_each_of_its_programs_once(folder, pictures, tmp_path):
    half = np.zeros((40, 56, 3), np.float32)
    half[:20] = 1
    images.write(tmp_path / "half.png", half)
    mask = str(tmp_path / "half.png")
    masks = {"guidance.content_masks": ("all", mask), "guidance.style_masks": ("all", mask)}
    config = small(**masks, **{"guidance.styles": ("0", "0"), "steps": 1})
    stylize(*pictures, config)
    found = kept(folder)
    # the two regions read the whole painting and its half
    expected = {"run": 1, "describe_content": 1, "describe_style": 2, "measure": 1, "init": 1}
    assert {name: found[f"program-{name}"] for name in expected} == expected
    before = sorted(folder.iterdir())
    later_process()
    stylize(*pictures, config)
    assert sorted(folder.iterdir()) == before
