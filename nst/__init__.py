"""nst: neural style transfer by optimising pixels against a frozen VGG (Gatys, Ecker & Bethge 2015/2016)."""

from nst.errors import UserError
from nst.images import Source
from nst.runs.stylize import Result, stylize

__all__ = ["Result", "Source", "UserError", "stylize"]
