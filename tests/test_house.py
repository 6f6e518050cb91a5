"""Rules for the source code, checked by parsing it: imports, sizes, and what docstrings must say."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# a package or module of nst may import those of its own level and of the levels before it, and none after it
LEVELS = (
    {"errors", "files", "numerics", "options", "outputs", "data"},
    {"images", "networks", "styles", "optimizers", "devices"},
    {"losses"},
    {"metrics"},
    {"runs"},
    {"sweeps", "report", "visualize"},
    {"configs"},
    {"cli", "__main__"},
)
# numeric code: it uses no config, flag, file or clock
NUMERIC = ("networks", "styles", "losses", "optimizers", "metrics/measures.py")
READS_FILES = (
    "networks/checkpoints.py",
    "networks/formats.py",
    "networks/torchfile.py",
    "networks/download.py",
)
FORBIDDEN = {"absl", "ml_collections", "time", "nst.files", "nst.devices.programs"}
LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 300, 45, 7
TAKES_MORE = {"stylize"}  # nst.stylize, whose options are keywords

# configs/ is last, because its __init__.py is the module nst.configs instead of nst/configs/__init__.py
SOURCES = [
    path for folder in ("nst", "experiments", "configs") for path in sorted((ROOT / folder).rglob("*.py"))
]
NST = [path for path in SOURCES if path.is_relative_to(ROOT / "nst")]
INSTALLED = [path for path in SOURCES if not path.is_relative_to(ROOT / "experiments")]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    """The module that a file is, as it is imported: nst.configs.default of configs/default.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("nst", *parts) if parts[0] == "configs" else parts
    return ".".join(parts).removesuffix(".__init__")


def package_of(path: Path) -> str:
    """The package or module of nst in which a file lies; of other files their top folder."""
    parts = module_of(path).split(".")
    return parts[1] if parts[0] == "nst" and len(parts) > 1 else parts[0]


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of every import, also those inside functions; name "" of a module as a whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.module, alias.name) for alias in node.names)


def packages_imported(path: Path) -> set[str]:
    found = set()
    for module, name in imports(tree_of(path)):
        if module == "nst" and name:
            found.add(name)
        elif module.startswith("nst."):
            found.add(module.split(".")[1])
    return found - {package_of(path)}


def functions(path: Path, tree: ast.AST | None = None) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree_of(path) if tree is None else tree):
        if isinstance(node, ast.FunctionDef):
            yield node


def level_of(name: str) -> int:
    for index, names in enumerate(LEVELS):
        if name in names:
            return index
    raise AssertionError(f"nst/{name} is on no level: add it to LEVELS in tests/test_house.py")


# --- the levels


def test_no_import_is_from_a_higher_level():
    wrong = []
    for path in INSTALLED:
        if package_of(path) == "nst":
            continue  # the public interface, which may import anything
        for name in packages_imported(path):
            if level_of(name) > level_of(package_of(path)):
                wrong.append(f"{name_of(path)} imports nst.{name}, which is on a higher level")
    assert not wrong, "\n".join(wrong)


def test_packages_of_one_level_have_no_import_cycle():
    for names in LEVELS:
        ties = {name: set() for name in names}
        for path in INSTALLED:
            if package_of(path) in names:
                ties[package_of(path)] |= packages_imported(path) & names
        while ties:
            free = [name for name, needs in ties.items() if not needs & ties.keys()]
            assert free, f"these import each other: {ties}"
            for name in free:
                del ties[name]


def test_what_is_installed_imports_nothing_of_the_checkout():
    wrong = [
        f"{name_of(path)} imports {module}"
        for path in INSTALLED
        for module, _ in imports(tree_of(path))
        if module.split(".")[0] in ("configs", "experiments", "tests")
    ]
    assert not wrong, "\n".join(wrong)


def test_configs_are_imported_as_those_of_nst():
    trees = {path: tree_of(path) for path in (*SOURCES, *TESTS)}
    wrong = [
        f"{name_of(path)} imports {module}: write nst.{module}"
        for path, tree in trees.items()
        for module, _ in imports(tree)
        if module.split(".")[0] == "configs"
    ]
    assert not wrong, "\n".join(wrong)


def test_numeric_code_uses_no_config_flag_file_or_clock():
    wrong = []
    for path in NST:
        inside = path.relative_to(ROOT / "nst").as_posix()
        if inside in READS_FILES or not inside.startswith(NUMERIC):
            continue
        for module, name in imports(tree_of(path)):
            if FORBIDDEN & {module, module.split(".")[0], f"{module}.{name}"}:
                wrong.append(f"{name_of(path)} imports {module}")
    assert not wrong, "\n".join(wrong)


# --- names


def bound_names(path: Path) -> set[str]:
    """The names that a file binds at its top level, and the modules of a package."""
    names = {child.stem for child in path.parent.glob("*") if path.name == "__init__.py"}
    for node in tree_of(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                names.add(part.id)
            elif isinstance(part, ast.Import | ast.ImportFrom):
                names |= {alias.asname or alias.name for alias in part.names}
    return names


def test_names_taken_from_our_modules_exist():
    files = {module_of(path): path for path in SOURCES}
    bound, wrong = {path: bound_names(path) for path in SOURCES}, []
    for path in (*SOURCES, *TESTS):
        aliases, tree = {}, tree_of(path)
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or node.module not in files:
                continue
            for alias in node.names:
                if alias.name not in bound[files[node.module]]:
                    wrong.append(f"{name_of(path)}:{node.lineno} imports {node.module}.{alias.name}")
                elif f"{node.module}.{alias.name}" in files:
                    aliases[alias.asname or alias.name] = files[f"{node.module}.{alias.name}"]
        for node in ast.walk(tree):  # a variable of the same name hides a module
            if isinstance(node, ast.arg) or isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                aliases.pop(node.arg if isinstance(node, ast.arg) else node.id, None)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                source = aliases.get(node.value.id)
                if source is not None and node.attr not in bound[source] | {
                    "__doc__",
                    "__file__",
                    "__name__",
                }:
                    wrong.append(f"{name_of(path)}:{node.lineno} uses {name_of(source)}: {node.attr}")
    assert not wrong, "\n".join(wrong)


# --- sizes


def test_no_file_is_too_long():
    wrong = {
        name_of(path): lines for path in SOURCES if (lines := path.read_text().count("\n")) > LONGEST_FILE
    }
    assert not wrong, wrong


def body_lines(node: ast.FunctionDef) -> int:
    """The lines of a function without its decorators and docstring."""
    documented = ast.get_docstring(node) is not None
    return (
        node.end_lineno - node.lineno + 1 - documented * (node.body[0].end_lineno - node.body[0].lineno + 1)
    )


def test_no_function_is_too_long_or_takes_too_much():
    wrong = []
    for path in SOURCES:
        for node in functions(path):
            if node.name == "get_config":  # a config is a list of fields
                continue
            arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            names = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
            if body_lines(node) > LONGEST_FUNCTION:
                wrong.append(f"{name_of(path)}: {node.name} has {body_lines(node)} lines")
            if len(names) > MOST_PARAMETERS and node.name not in TAKES_MORE:
                wrong.append(f"{name_of(path)}: {node.name} has {len(names)} parameters")
    assert not wrong, "\n".join(wrong)


# --- docstrings


def interface() -> dict[Path, set[str]]:
    """{file: names that another package, configs or experiments use from it}."""
    modules = {module_of(path): path for path in NST}
    used = {path: set() for path in NST}
    for path in SOURCES:
        aliases = {}
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("nst"):
                continue
            for alias in node.names:
                source = modules.get(f"{node.module}.{alias.name}")
                if source is not None:
                    aliases[alias.asname or alias.name] = source
                elif node.module in modules and package_of(modules[node.module]) != package_of(path):
                    used[modules[node.module]].add(alias.name)
        for node in ast.walk(tree_of(path)):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in aliases
            ):
                source = aliases[node.value.id]
                if package_of(source) != package_of(path):
                    used[source].add(node.attr)
    for path in list(used):  # a package re-exports names of its modules
        if path.name == "__init__.py":
            for module, name in imports(tree_of(path)):
                if module in modules and (name in used[path] or path.parent == ROOT / "nst"):
                    used[modules[module]].add(name)
    return used


def section(docstring: str, name: str) -> str | None:
    """The text of a Google-style section, or None."""
    match = re.search(rf"^{name}:\n((?:(?:[ \t]+.*)?\n?)*)", docstring, re.MULTILINE)
    return match and match[1]


def raises_user_error(node: ast.FunctionDef) -> bool:
    inner = {id(child) for part in ast.walk(node) if isinstance(part, ast.FunctionDef) and part is not node
             for child in ast.walk(part)}  # fmt: skip
    for part in ast.walk(node):
        if isinstance(part, ast.Raise) and id(part) not in inner and isinstance(part.exc, ast.Call):
            if isinstance(part.exc.func, ast.Name) and part.exc.func.id in ("UserError", "Busy"):
                return True
    return False


def missing(node: ast.FunctionDef, in_interface: bool) -> Iterator[str]:
    """What the docstring of a public function lacks."""
    text = ast.get_docstring(node)
    if not text:
        yield "has no docstring"
        return
    if raises_user_error(node) and section(text, "Raises") is None and "raises UserError" not in text:
        yield "raises UserError and does not say so (Raises:)"
    described = section(text, "Args")
    arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
    names = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
    if described is None:
        if in_interface and names:
            yield "is used by other packages and has no Args:"
    else:
        named = set(re.findall(r"\w+", " ".join(line.split(":")[0] for line in described.splitlines())))
        for name in names:
            if name not in named:
                yield f"does not name {name} under Args:"
    result = ast.unparse(node.returns) if node.returns else ""
    if in_interface and result.startswith(("tuple", "dict")) and section(text, "Returns") is None:
        yield f"returns {result} and has no Returns:"


def public(path: Path) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in tree_of(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def test_public_docstrings_say_what_is_taken_returned_and_raised():
    used, wrong = interface(), []
    for path in NST:
        for node in public(path):
            if isinstance(node, ast.ClassDef):
                if not ast.get_docstring(node):
                    wrong.append(f"{name_of(path)}:{node.lineno} class {node.name} has no docstring")
                continue
            for lack in missing(node, node.name in used[path]):
                wrong.append(f"{name_of(path)}:{node.lineno} {node.name} {lack}")
    assert not wrong, "\n".join(wrong)


def test_every_module_says_what_it_is():
    # an empty __init__.py needs no docstring
    wrong = [
        name_of(path) for path in SOURCES if path.stat().st_size and not ast.get_docstring(tree_of(path))
    ]
    assert not wrong, wrong


# --- the rules themselves


@pytest.mark.parametrize(
    "source, lacks",
    [
        ('def f(x):\n    """Doubles x."""', ["is used by other packages and has no Args:"]),
        ('def f(x):\n    """Doubles.\n\n    Args:\n      x: a number.\n    """', []),
        (
            'def f(x, y):\n    """Adds.\n\n    Args:\n      x: a number.\n    """',
            ["does not name y under Args:"],
        ),
        ('def f(x, y):\n    """Adds.\n\n    Args:\n      x, y: numbers.\n    """', []),
        ('def f() -> tuple[int, int]:\n    """Two."""', ["returns tuple[int, int] and has no Returns:"]),
        (
            'def f():\n    """Fails."""\n    raise UserError("x")',
            ["raises UserError and does not say so (Raises:)"],
        ),
        ("def f():\n    pass", ["has no docstring"]),
    ],
)
def test_the_check_of_docstrings_finds_what_is_missing(source, lacks):
    assert list(missing(ast.parse(source).body[0], True)) == lacks
