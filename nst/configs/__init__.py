"""The configs that come with nst: in a checkout the folder configs/ at the top, in a wheel this folder."""

from pathlib import Path

__path__ = [str(Path(__file__).parents[2] / "configs")]
