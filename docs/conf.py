"""The documentation site: the pages of this folder, and the docstrings of nst.

    pip install -e '.[docs]'
    python -m sphinx -W -b html docs build/docs

The pages are also read on code hosts, so they are plain Markdown whose links are paths of the checkout. On
the site, links to the code lead to the pages in generated/, which this file writes: one page a package, with
the functions of its modules, and the texts of the checkout that lie outside docs/.
"""

import importlib
import inspect
import os
import pkgutil
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

DOCS = Path(__file__).parent
ROOT = DOCS.parent
GENERATED = DOCS / "generated"
TEXTS = {  # path in the checkout -> page in generated/
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "nst/data/images/README.md": "pictures",
    "nst/data/vgg19_slim.md": "vgg19_slim",
}
AUTOMODULE = "```{{eval-rst}}\n.. automodule:: {}\n```"  # whose contents are reStructuredText
# sections of Google's form, whose indented lines are no quotations
SECTION = re.compile(r"(Args|Returns|Yields|Raises):$")
# `code`, *emphasis* and --option=value
MARKUP = re.compile(
    r"(`[^`]+`|(?<!\w)\*(?! )[^*]+(?<! )\*(?!\w)|(?<![\w-])--[a-z](?:[\w.-]*\w)?(?:=\S*[\w)\"])?)"
)
LINK = re.compile(r"(?<=\]\()([^)#:\s]+)(?=[)#])")

sys.path.insert(0, str(ROOT))
nst = importlib.import_module("nst")

project = "nst"
author = "The nst authors"
release = nst.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_ivar = True
smartquotes_action = "D"  # dashes only
highlight_language = "none"  # of quotations in docstrings
html_theme = "furo"
html_title = f"nst {release}"
html_copy_source = False
html_show_copyright = False
html_math_renderer = "mathml"


def packages() -> list[str]:
    """Returns the names of nst and of its packages, those of the configs among them."""
    found = pkgutil.walk_packages(nst.__path__, "nst.")
    return ["nst", *(module.name for module in found if module.ispkg)]


def modules(package: str) -> list[str]:
    """Returns the names of the modules of a package, without its packages.

    Args:
      package: its name.
    """
    path = importlib.import_module(package).__path__
    names = [module.name for module in pkgutil.iter_modules(path) if not module.ispkg]
    return [f"{package}.{name}" for name in names if not name.startswith("_")]


def public() -> list[str]:
    """Returns the names of the functions and classes that nst itself offers, without its errors."""
    things = {name: getattr(nst, name) for name in nst.__all__}
    return [
        name
        for name, thing in things.items()
        if inspect.isfunction(thing) or (inspect.isclass(thing) and not issubclass(thing, Exception))
    ]


def page(package: str) -> str:
    """Returns the page of a package, in Markdown.

    Args:
      package: its name. Of a config the page shows the file; of another module, what its docstrings say.
    """
    # a package also has the names that it imports from its modules, whose own sections show them
    names = f"\n   :members: {', '.join(public())}" if package == "nst" else ""
    parts = [f"# {package}", AUTOMODULE.format(package + names)]
    for module in modules(package):
        parts.append(f"## {module.removeprefix('nst.configs.')}")
        if package.startswith("nst.configs"):
            file = Path(importlib.import_module(package).__path__[0]) / f"{module.rpartition('.')[2]}.py"
            parts.append(f"```{{literalinclude}} {os.path.relpath(file, GENERATED)}\n:language: python\n```")
        else:
            parts.append(AUTOMODULE.format(module + "\n   :members:"))
    return "\n\n".join(parts) + "\n"


def write_pages(app) -> None:
    """Writes generated/; a page that has not changed keeps its time.

    Args:
      app: Sphinx's.
    """
    pages = {package: page(package) for package in packages()}
    pages |= {name: (ROOT / path).read_text("utf8") for path, name in TEXTS.items()}
    GENERATED.mkdir(exist_ok=True)
    for old in GENERATED.glob("*.md"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        file = GENERATED / f"{name}.md"
        if not file.exists() or file.read_text("utf8") != text:
            file.write_text(text, "utf8")


def on_site(path: str) -> str | None:
    """Returns the page of the site, seen from docs/, that shows a file or a folder of the checkout.

    Args:
      path: seen from the root of the checkout.

    Returns:
      None: the site has no such page.
    """
    if path in TEXTS:
        return f"generated/{TEXTS[path]}.md"
    name = path.removesuffix(".py").replace("/", ".")
    name = f"nst.{name}" if name.split(".")[0] == "configs" else name
    known = packages()
    if name in known:
        return f"generated/{name}.md"
    package, _, module = name.rpartition(".")
    if path.endswith(".py") and package in known:
        title = name.removeprefix("nst.configs.")
        return f"generated/{package}.md#{title.replace('.', '')}"
    return None


def lead_to_site(app, docname: str, source: list[str]) -> None:
    """Replaces the links of a page to files of the checkout by links to pages of the site.

    Args:
      app: Sphinx's.
      docname: the page.
      source: its text, which is replaced.
    """
    texts = {f"generated/{name}": path for path, name in TEXTS.items()}
    folder = (ROOT / texts[docname]).parent if docname in texts else DOCS

    def replace(match) -> str:
        target = os.path.normpath(folder / match[1])
        found = on_site(os.path.relpath(target, ROOT)) or os.path.relpath(target, DOCS)
        return os.path.relpath(found, os.path.dirname(docname))

    source[0] = LINK.sub(replace, source[0])


def to_rst(app, what, name, thing, options, lines: list[str]) -> None:
    """Turns a docstring, plain text in Google's form, into reStructuredText for Napoleon.

    Indented lines outside the sections are literal, `names` are code, and asterisks, bars and underscores are
    themselves. The arguments are those of autodoc-process-docstring.
    """
    for k, (before, line) in enumerate(zip(["", *lines], lines, strict=False)):
        if line.startswith("nst ") and (not before or before.startswith("nst ")):  # a command
            lines[k] = f"    {line}"
    found, in_section, in_block, in_list = [], False, False, False
    for before, line in zip(["", *lines], lines, strict=False):
        indented, item = line.startswith(" "), line.lstrip().startswith("- ")
        if line and not indented:
            found += [""] * in_block  # ends the block
            in_section, in_block, in_list = bool(SECTION.match(line)), False, item
        if indented and not (in_section or in_list or in_block):
            in_block = True
            found += ["", "::", ""]
        elif item and before and not before.lstrip().startswith("- ") and not in_section:
            found.append("")
        line = line if in_block else to_inline(line)
        # without a colon before it, text up to the first colon would become the type
        found.append(f"  : {line.lstrip()}" if before in ("Returns:", "Yields:") else line)
    lines[:] = found + fields(thing)


def fields(thing) -> list[str]:
    """Returns a section of a docstring with the comments on the fields of a class; [] if there are none.

    Args:
      thing: a named tuple or a dataclass; of anything else nothing is returned.
    """
    if not inspect.isclass(thing) or not {"_fields", "__dataclass_fields__"} & set(dir(thing)):
        return []
    section, above = [], []
    for line in inspect.getsource(thing).splitlines():
        if match := re.match(r"    # (.*)", line):
            above.append(match[1])
            continue
        if match := re.match(r"    (\w+): [^#]*(?:# (.*))?$", line):
            comment = [*above, *filter(None, [match[2]])]
            section += [f"  {match[1]}: {to_inline(' '.join(comment))}"] if comment else []
        above = []
    return ["", "Attributes:", *section] if section else []


def to_inline(line: str) -> str:
    """Returns a line of plain text as reStructuredText.

    Args:
      line: has no other markup than `code` and *emphasis*; options such as --config become code.
    """
    parts = MARKUP.split(line)
    for k, part in enumerate(parts):
        if k % 2 and not part.startswith("*"):
            parts[k] = f"``{part.strip('`')}``"
        elif k % 2 == 0:
            parts[k] = re.sub(r"([\\*|]|_(?!\w))", r"\\\1", part)
    return "".join(parts)


def skip_fields(app, what, name, thing, skip, options) -> bool | None:
    """Leaves out the fields of named tuples, which `fields` describes; of autodoc-skip-member."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def to_mathml(translator, node) -> None:
    """Writes an equation as MathML, which browsers show without a script.

    Args:
      translator: Sphinx's.
      node: the equation in LaTeX.
    """
    block = isinstance(node, nodes.math_block)
    translator.body.append(
        f"<div>{tex2mathml(node.astext(), as_block=True)}</div>" if block else tex2mathml(node.astext())
    )
    raise nodes.SkipNode


def setup(app) -> None:
    """Connects the functions above to Sphinx."""
    app.add_html_math_renderer("mathml", (to_mathml, None), (to_mathml, None))
    app.connect("builder-inited", write_pages)
    app.connect("source-read", lead_to_site)
    app.connect("autodoc-process-docstring", to_rst, priority=400)
    app.connect("autodoc-skip-member", skip_fields)
