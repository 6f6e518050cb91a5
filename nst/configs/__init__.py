"""The configs that come with nst: the folder configs/ at the top of a checkout, which a wheel has here."""

from pathlib import Path

__path__ = [str(Path(__file__).parents[2] / "configs")]
