"""The least memory of a run, from shapes: never more than the compiled loop needs, and asked for in time."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nst.devices import memory
from nst.errors import UserError
from nst.runs import forecast, specs
from nst.runs.compiling import compile_run
from nst.runs.job import prepare
from nst.runs.settings import resolve
from tests.helpers.programs import ROOT
from tests.helpers.running import picture, small, stylize

ADAM = {"optimizer.name": "adam", "optimizer.learning_rate": 0.01}


@pytest.mark.parametrize("changes", [
    {}, {"optimizer.memory": 9, "optimizer.history_dtype": "bfloat16", "network.dtype": "bfloat16"},
    pytest.param({"optimizer.line_search": "zoom"}, marks=pytest.mark.slow),
    ADAM | {"optimizer.ema": 0.9}, {"strip": 16},
    pytest.param({"weights.name": "vgg19_slim"}, marks=pytest.mark.slow),
    {"style_loss.layers": ("image",), "content_loss.layers": ("image",)},
])  # fmt: skip
def test_the_bound_is_never_above_what_the_compiled_loop_needs(changes):
    job = prepare(picture(0), picture(1), small(**changes))
    height, width = job.content.rgb_HxWx3.shape[:2]
    least = forecast.image_bytes(job.spec, job.optimizer, height, width)
    need = memory.program_bytes(compile_run(job))
    assert 0 < least <= need
    assert memory.of_run(least, 0) <= memory.forecast(compile_run(job), 0)


def test_the_bound_counts_the_pairs_and_the_first_convolution():
    config = resolve(small(**{"optimizer.memory": 20}))
    spec, optimizer = specs.read_network(config)[1], specs.make_optimizer(config)
    pixels = forecast.image_bytes(spec, optimizer, 1000, 2000) / 2e6
    # 20 pairs of two images, and the image, the last one, its gradient and the direction; 64 channels
    assert pixels == pytest.approx(12 * (2 * 20 + 4) + 4 * 64, rel=1e-3)
    assert forecast.picture_bytes(spec, 1000, 2000) == 2e6 * (12 + 4 * 64)


@pytest.mark.parametrize("changes, message", [
    ({"size": 100_000}, r"content: 100000x71429 px needs .* TB, and 1.00 GB are .*size, below \d+x"),
    ({"optimizer.memory": 2**31 - 1}, "content: 32x23 px needs at least .*optimizer.memory"),
    ({"style_scale": (1e3,)}, r"style 0: 32000x22857 px needs at least .*style_scale"),
    ({"style_size": 40_000}, "style 0: 40000x28571 px needs"),
    ({"memory_limit_gb": 1e-12}, "smaller size, if any fits"),
])  # fmt: skip
def test_what_cannot_fit_is_refused_before_it_is_resized(changes, message, monkeypatch):
    monkeypatch.setattr("nst.images.resize", None)
    with pytest.raises(UserError, match=message):
        stylize(picture(0), picture(1), small(**{"memory_limit_gb": 1.0} | changes))


def test_a_painting_that_is_larger_than_the_photograph_is_refused_before_it_is_in_the_network():
    pair = picture(0), picture(1)
    with pytest.raises(UserError, match="style 0: 2048x1463 px needs at least .*style_size"):
        stylize(*pair, small(style_size=2048, memory_limit_gb=0.6))


def test_the_largest_scale_needs_the_limit():
    config = resolve(small())
    spec, optimizer = specs.read_network(config)[1], specs.make_optimizer(config)
    pixels = forecast.image_bytes(spec, optimizer, 3000, 4000)
    scale = forecast.largest_scale(pixels, 10**9)
    edges = round(3000 * scale), round(4000 * scale)
    assert memory.of_run(forecast.image_bytes(spec, optimizer, *edges), 0) == pytest.approx(1e9, rel=0.01)
    assert forecast.largest_scale(pixels, 10**6) == 0


_PEAK = """
import json, pathlib, re, sys
import numpy as np
import nst
from tests.helpers.running import picture, small
ends = []
for changes in json.loads(sys.argv[1]):
    try:
        nst.stylize(picture(0), picture(1), small(**changes, memory_limit_gb=1.0), log=lambda line: None)
        ends.append("done")
    except nst.UserError as error:
        ends.append(str(error))
# not ru_maxrss, which begins with that of the process that started this one
peak = re.search(r"VmHWM:\\s*(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]
print(json.dumps([int(peak) * 1024, ends]))
"""


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_refusal_takes_no_memory():
    huge = [{"size": 100_000}, {"size": 12_000}, {"style_scale": [1e3]}, {"style_size": 100_000}]
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, json.dumps(huge)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    peak, ends = json.loads(done.stdout)
    assert all("px needs at least" in end for end in ends), ends
    assert peak < 1e9  # most of it is JAX itself


# --- what the machine has


def test_the_limits_of_groups_are_what_is_left_in_them(tmp_path):
    def group(path, most, used, cache):
        folder = tmp_path / "root" / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{most}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\nactive_file 5\n")

    def room():
        return memory._room_in_cgroups(tmp_path / "cgroup", tmp_path / "root")

    assert room() == np.inf  # there are no groups
    (tmp_path / "cgroup").write_text("0::/batch/job\n")
    group("batch/job", "max", 100, 20)
    assert room() == np.inf
    group("batch", 1000, 400, 45)  # the outer limit holds for the inner group as well
    assert room() == 1000 - 400 + 50
    group("batch/job", 300, 100, 15)
    assert room() == 300 - 100 + 20
    version_1 = tmp_path / "root/memory/old"
    version_1.mkdir(parents=True)
    for name, text in (("limit_in_bytes", "90\n"), ("usage_in_bytes", "30\n"), ("stat", "cache 3\n")):
        (version_1 / f"memory.{name}").write_text(text)
    (tmp_path / "cgroup").write_text("5:cpu,memory:/old\n3:pids:/x\n0::/batch/job\n")
    assert room() == 60
