"""What is installed: only nst, with its configs and its data, wherever python is started."""

import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

import nst
import nst.configs
from nst.configs import default, quickstart, trial
from nst.configs.sweeps import pooling, styles, weights
from nst.data import picture

ROOT = Path(__file__).parents[1]
# folders of which an sdist has every file
FOLDERS = ("nst", "configs", "experiments", "tests", "docs")
# makes a picture with the installed package
PROGRAM = """
import json, sys
import nst, nst.configs
from nst.configs import quickstart
from nst.configs.sweeps import pooling
config = quickstart.get_config()
config.size, config.steps = 32, 2
result = nst.stylize(None, None, config, sys.argv[1], log=lambda line: None)
files = [module.__file__ for module in (nst, nst.configs, quickstart, pooling)]
print(json.dumps([files, nst.__version__, result.image.shape]))
"""


def run(*words, cwd):
    """Returns what a command writes to its standard output; the command has to succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(folder):
    """The files of a folder of the checkout, relative to its root, without those that are generated."""
    found = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.as_posix() for path in found if not {"__pycache__", "generated"} & set(path.parts)}


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


def test_importing_nst_imports_neither_jax_nor_pillow():
    code = "import nst, sys; print({'jax', 'PIL', 'numpy', 'optax', 'ml_collections'} & sys.modules.keys())"
    assert run(sys.executable, "-c", code, cwd=ROOT) == "set()\n"


@pytest.mark.processes
@pytest.mark.parametrize(
    "first, absent",
    [
        ("import nst.runs.stylize", {"tifffile", "imagecodecs", "h5py", "scipy", "jinja2", "matplotlib"}),
        ("from nst.cli.main import main; main(['stylize', '--help'])", {"jax", "PIL"}),
        ("from nst.cli.main import main; main(['report', '--help'])", {"jax", "PIL"}),
        ("from nst.cli.main import main; main(['configs', 'gatys2016'])", {"jax", "PIL"}),
    ],
)
def test_what_takes_long_to_import_is_imported_where_it_is_needed(first, absent):
    code = f"import sys; {first}; print({absent} & sys.modules.keys())"
    assert run(sys.executable, "-c", code, cwd=ROOT).endswith("set()\n")


def test_the_names_of_nst():
    assert nst.__version__ == importlib.metadata.version("nst")
    assert set(nst.__all__) <= set(dir(nst))
    assert all(getattr(nst, name) for name in nst.__all__)
    with pytest.raises(AttributeError, match="'nst' has no attribute 'stylise'"):
        _ = nst.stylise


@pytest.mark.slow
@pytest.mark.processes
def test_a_wheel_built_from_the_sdist_works_by_itself_in_another_folder(tmp_path):
    build = (sys.executable, "-W", "error", "-m", "hatchling", "build", "-d", str(tmp_path))
    run(*build, "-t", "sdist", cwd=ROOT)
    (sdist,) = tmp_path.glob("nst-*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / sdist.name.removesuffix(".tar.gz")
    held = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert {name for name in held if name.startswith(FOLDERS)} == set().union(*map(files, FOLDERS))
    assert held >= {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", ".ci/run"}

    run(*build, "-t", "wheel", cwd=source)
    (wheel,) = tmp_path.glob("nst-*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    configs = {f"nst/{name}" for name in files("configs")}
    assert held == files("nst") - files("nst/configs") | configs
    assert "nst/py.typed" in held

    venv.create(tmp_path / "venv")
    python = str(tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index")
    run(*pip, str(wheel), cwd=tmp_path)
    folder = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path)
    folder = Path(folder.strip())
    # the dependencies; .pth files of that folder are not read, so an editable nst of it is not found
    dependencies = [path for path in sys.path if path.endswith("-packages")]
    (folder / "dependencies.pth").write_text("\n".join(dependencies))
    here = tmp_path / "here"
    for name in ("experiments", "configs", "nst"):  # folders of the user's own
        (here / name).mkdir(parents=True)
    origins, version, shape = json.loads(run(python, "-c", PROGRAM, "out", cwd=here))
    names = ("__init__", "configs/__init__", "configs/quickstart", "configs/sweeps/pooling")
    assert [Path(origin) for origin in origins] == [folder / f"nst/{name}.py" for name in names]
    assert f"nst-{version}-" in wheel.name
    assert shape[-1] == 3 and max(shape) == 32 and (here / "out/result.png").exists()
