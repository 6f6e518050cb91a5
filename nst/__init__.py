"""nst: neural style transfer by optimising pixels against a frozen VGG (Gatys, Ecker & Bethge 2015/2016)."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nst.errors import UserError
    from nst.images import Source
    from nst.runs.hooks import Progress
    from nst.runs.stylize import Result, stylize

    __version__: str

__all__ = ["Progress", "Result", "Source", "UserError", "__version__", "stylize"]

# each name is imported when it is first used, so that `import nst` does not wait for JAX
_MODULES = {
    "Progress": "nst.runs.hooks",
    "Result": "nst.runs.stylize",
    "Source": "nst.images",
    "UserError": "nst.errors",
    "stylize": "nst.runs.stylize",
}


def __getattr__(name: str):
    if name == "__version__":
        value = import_module("importlib.metadata").version("nst")
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(globals().keys() | set(__all__))
