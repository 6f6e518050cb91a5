"""The pages: their commands and links are right, none repeats another, and the site is built from them."""

import ast
import importlib
import json
import math
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nst
from nst import images
from nst.cli import arguments, catalogue, main, plain, process, signals
from nst.data import IMAGES
from nst.devices import compilation_cache
from nst.networks import table
from nst.runs import fields, kinds, settings
from nst.runs.stylize import stylize
from nst.sweeps import points
from tests.helpers.running import picture, small

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
NST = ("nst", ".venv/bin/nst", "...")  # what a command of nst begins with
NOTEBOOK = ROOT / "docs/nst.ipynb"


def ids(path):
    return path.relative_to(ROOT).as_posix()


def blocks(page, language):
    """The code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf8"), re.M | re.S)


def prose(page):
    """The text of a page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf8"), flags=re.M | re.S)


def commands(page):
    """The words of each command of nst or of its programs; options follow "... photo.jpg"."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    lines = [part for line in lines for part in re.split(r" && ", line)]
    lines += [
        " ".join(code.split()) for code in re.findall(r"`((?:nst|python -m) [^`]* --[^`]*)`", prose(page))
    ]
    if page.stem in ("README", "controls"):  # tables of options, and what follows a whole command
        lines += re.findall(r"^\| `(--[^`]+[^=])` \|", prose(page), re.M)
    for line in lines:
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words and words[0].startswith("--"):
            words = ["...", "photo.jpg", *words]
        if words and words[0] in NST:
            yield words
        elif words[1:3] and words[1] == "-m" and words[2].startswith("experiments."):
            yield words


COMMANDS = [(page, words) for page in PAGES for words in commands(page)]


@pytest.fixture
def run(monkeypatch):
    """Runs a command of nst in this process, whose signals and compilation cache are left alone."""
    monkeypatch.setattr(process, "handle_interrupts", lambda: None)
    monkeypatch.setattr(signals, "catch", list)
    monkeypatch.setattr(compilation_cache, "keep", lambda: None)
    return main._run


def subcommand(words):
    return words[0] if words[0] in main.COMMANDS else main.PAINT


def parsed(words, run, monkeypatch):
    """The arguments that a subcommand of nst would be run with."""
    found = []
    monkeypatch.setattr(importlib.import_module(f"nst.cli.{subcommand(words)}"), "run", found.append)
    assert run(list(words)) == 0
    return found[0]


def flags_of(module):
    """The flags that a program of experiments/ and experiments/cli.py define."""
    path = ROOT / module.replace(".", "/")
    path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    calls = [
        node
        for source in (path, ROOT / "experiments/cli.py")
        for node in ast.walk(ast.parse(source.read_text("utf8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("flags.DEFINE_")
    ]
    return {call.args[0].value for call in calls} | {"config"}


@pytest.mark.parametrize(
    ("page", "words"), COMMANDS, ids=[f"{ids(page)}: {shlex.join(words)}"[:90] for page, words in COMMANDS]
)
def test_a_command_of_a_page_is_understood(page, words, run, monkeypatch):
    monkeypatch.chdir(ROOT)
    if words[0] in NST:
        args = parsed(words[1:], run, monkeypatch)
        if args.config is not None:
            settings.resolve(args.config)
        return
    module, *options = words[2:]
    known = flags_of(module)
    given = {word.lstrip("-").partition("=")[0] for word in options if word.startswith("--")}
    assert {flag for flag in given if not flag.startswith("config.")} <= known
    if fields := [word for word in options if word.startswith("--config")]:
        arguments.load(fields, "default")


# what makes a command of the README quick, and independent of weights that would have to be downloaded
SMALL = ["--config.size=32", "--config.steps=2", "--config.weights.name=vgg19_slim"]
QUICK = {
    "paint": ["--size=32", "--steps=2", "--network=vgg19_slim"],
    "stylize": SMALL,
    "sweep": [*SMALL, "--instrument=vgg19_slim", "--only=0-1"],
}


@pytest.mark.slow
def test_the_commands_of_the_readme_run(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, names in (("photos", ("cat", "coffee")), ("paintings", ("swirls", "mosaic"))):
        Path(folder).mkdir()
        for name in names:
            shutil.copy(IMAGES / f"{name}.jpg", folder)
    shutil.copy(IMAGES / "cat.jpg", "photo.jpg")
    shutil.copy(IMAGES / "swirls.jpg", "painting.jpg")
    for words in (words[1:] for page, words in COMMANDS if page == README and words[0] != "..."):
        assert run([*words, *QUICK.get(subcommand(words), [])]) == 0, words
    pairs = [f"out/{photo}_{painting}" for photo in ("cat", "coffee") for painting in ("swirls", "mosaic")]
    for name in ("runs/quickstart/result", "photo_painting", "out", *pairs):
        assert images.read(f"{name}.png").rgb_HxWx3.shape == (21, 32, 3)
    assert Path("runs/pooling/results.csv").read_text().count(",finished,") == 2
    assert Path("runs/pooling/report/index.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("page", [README, ROOT / "docs/reference.md"], ids=ids)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(IMAGES / "cat.jpg", "photo.jpg")
    shutil.copy(IMAGES / "swirls.jpg", "painting.jpg")

    def smaller(content, style, config, **others):
        config.size, config.steps, config.weights.name = 32, 2, "vgg19_slim"
        return stylize(content, style, config, **others)

    monkeypatch.setattr(nst, "stylize", smaller)
    (code,) = blocks(page, "python")
    names = {}
    exec(code, names)
    assert names["result"].step == 2


def test_the_sweep_of_a_page_has_its_points():
    (code,) = blocks(ROOT / "docs/sweeps.md", "python")
    names = {}
    exec(code, names)
    made = points.make_points(names["get_config"](), names["sweep"]())
    assert len(made) == 6 and made[0].config.content == "photo.jpg" and made[5].config.network.pooling == "l2"


def test_the_architecture_of_a_page_is_one_file_and_one_row(monkeypatch):
    file, row = blocks(ROOT / "docs/networks.md", "python")
    module = types.ModuleType("nin")
    exec(file, vars(module))
    rows = eval(f"{{{row}}}", {"nin": module, "_row_of": table._row_of})
    monkeypatch.setitem(table.ARCHITECTURES, "nin", rows["nin"])
    monkeypatch.setitem(fields.FIELDS, "weights.architecture", kinds.choice(table.ARCHITECTURES))
    shapes = rows["nin"].parameter_shapes((), ["relu12"]).values()
    # the sum over its twelve convolutions, by the numbers of the Caffe model
    assert sum(math.prod(shape) for parts in shapes for shape in parts.values()) == 7_595_176
    assert table.positions("nin", ["relu12"], 224)["relu12"] == 6  # what its last pooling takes the mean of
    config = small(**{"weights.architecture": "nin", "size": 64, "steps": 2})
    config.style_loss.layers = config.content_loss.layers = ("auto",)
    result = stylize(picture(0, 64, 64), picture(1, 64, 64), config, log=lambda _: None)
    assert result.metrics[-1]["loss"] < result.metrics[0]["loss"]


def test_the_pages_have_commands():
    assert len(COMMANDS) > 20
    assert sum(page == README for page, _ in COMMANDS) >= 5


def test_the_pages_name_every_plain_option_subcommand_and_config():
    controls = (ROOT / "docs/controls.md").read_text("utf8")
    assert all(re.search(rf"`{flag}\b", controls) for flag in plain.OPTIONS)
    text = (ROOT / "docs/reference.md").read_text("utf8")
    assert all(f"`nst {name}`" in text for name in main.COMMANDS)
    sweeps = (ROOT / "docs/sweeps.md").read_text("utf8")
    assert all(f"(../configs/{name}.py)" in text + sweeps for name in catalogue.names())


def test_the_readme_is_one_page():
    assert len(README.read_text("utf8").splitlines()) <= 120


def anchors(page):
    """The anchors that code hosts and the site give to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_the_links_of_a_page_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    for target in (target for target in targets if not target.startswith("http")):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_no_page_repeats_another():
    holders = {}
    for page in PAGES:
        for paragraph in prose(page).split("\n\n"):
            words = paragraph.split()
            for k in range(len(words) - 24):
                holders.setdefault(" ".join(words[k : k + 25]), set()).add(ids(page))
    assert {text: pages for text, pages in holders.items() if len(pages) > 1} == {}


def test_every_page_is_on_the_site_and_on_its_first_page():
    index = (ROOT / "docs/index.md").read_text("utf8")
    for name in (page.stem for page in PAGES if page.parent == ROOT / "docs" and page.stem != "index"):
        assert f"]({name}.md)" in index
        assert re.search(rf"^{name}$", index, re.M), f"no toctree has {name}"


@pytest.mark.slow
@pytest.mark.processes
def test_the_site_is_built_without_a_warning(tmp_path):
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "-E", "-b", "html", "docs", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    grams = (tmp_path / "generated/nst.styles.html").read_text("utf8")
    assert 'id="nst.styles.grams.gram"' in grams and "Computes the Gram matrix" in grams
    assert 'href="generated/nst.losses.html' in (tmp_path / "tour.html").read_text("utf8")
    assert "<math" in (tmp_path / "tour.html").read_text("utf8")


def cells():
    """The code cells of the notebook."""
    notebook = json.loads(NOTEBOOK.read_text("utf8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_is_stored_without_outputs():
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells())


@pytest.mark.slow
def test_the_cells_of_the_notebook_run(tmp_path, monkeypatch):
    for name in ("cat.jpg", "swirls.jpg"):
        shutil.copy(IMAGES / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    chosen = iter(("cat.jpg", "swirls.jpg"))
    colab = types.ModuleType("google.colab")
    colab.files = types.SimpleNamespace(upload=lambda: {next(chosen): b""})
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    first, *others = ["".join(cell["source"]) for cell in cells()]
    names = {}
    exec(first, names)
    names |= {"SIZE": 32, "STEPS": 3, "UPLOAD": True}
    for code in others:
        exec(code, names)
    assert (names["photo"], names["painting"]) == ("cat.jpg", "swirls.jpg")
    height, width, _ = names["result"].image.shape
    assert max(height, width) == 32
    with Image.open("result.png") as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(names["shown"](names["result"].image)))
    distances = [np.abs(picture - names["row"][0]).mean() for picture in names["row"]]
    assert 0 == distances[0] < distances[1] < distances[2]


def instructions():
    """(name, words) of each instruction of the Dockerfile."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf8"), flags=re.M)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            yield name, json.loads(rest) if rest.startswith("[") else rest.split()


@pytest.mark.slow
@pytest.mark.processes
def test_what_the_dockerfile_copies_can_be_installed_and_has_its_entry_point(tmp_path):
    steps = list(instructions())
    assert steps[0][0] == "FROM" and steps[0][1][0].startswith("python:3.")
    for _, words in (step for step in steps if step[0] == "COPY"):
        *sources, target = words
        folder = tmp_path / target.strip("/")
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                folder.mkdir(exist_ok=True)
                shutil.copy(ROOT / source, folder)
    installs = next(words for name, words in steps if name == "RUN" and words[:2] == ["pip", "install"])
    assert '"/source[heic]"' in installs
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=tmp_path / "source", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("nst-*.whl"))
    project = tomllib.loads((tmp_path / "source/pyproject.toml").read_text("utf8"))["project"]
    (entry,) = dict(steps)["ENTRYPOINT"]
    assert entry in project["scripts"] and "heic" in project["optional-dependencies"]
    assert [name for name, _ in steps].index("USER") < [name for name, _ in steps].index("ENTRYPOINT")


def test_the_workflow_checks_the_supported_pythons():
    workflow = (ROOT / ".github/workflows/ci.yml").read_text("utf8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    supported = re.findall(r":: (3\.\d+)'", str(project["classifiers"]))
    assert json.loads(re.search(r"python: (\[.*\])", workflow)[1]) == supported
    assert "- run: .ci/run\n" in workflow and (ROOT / ".ci/run").stat().st_mode & 0o100
