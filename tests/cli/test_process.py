"""What a program does before it is one: Ctrl-C during its imports, and output that cannot be written."""

import os
import signal
import subprocess
import sys

import pytest

from tests.helpers.programs import ROOT

pytestmark = pytest.mark.processes
AS_PROGRAM = "import sys; from nst.cli.process import prepare, say; prepare(); "


def run(code, *shell, **environment):
    """Runs Python code as a program would begin, with redirections by the shell."""
    return subprocess.run(
        ["sh", "-c", " ".join(['exec "$@"', *shell]), "sh", sys.executable, "-c", AS_PROGRAM + code],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("closed", [("<&-",), (">&-",), ("2>&-",), ("<&-", ">&-", "2>&-")])
def test_a_closed_stream_is_not_replaced_by_the_next_file(tmp_path, closed):
    path = tmp_path / "file"
    done = run(
        f"import os; file = open({str(path)!r}, 'w'); file.write('content'); assert file.fileno() > 2; "
        "print('out'); print('error', file=sys.stderr); [os.write(n, b'message') for n in (1, 2)]",
        *closed,
    )
    assert done.returncode == 0 and path.read_text() == "content"
    assert ("out" in done.stdout) == (">&-" not in closed) and ("error" in done.stderr) == (
        "2>&-" not in closed
    )
    assert "Traceback" not in done.stderr


def test_any_text_can_be_printed_on_any_output():
    done = run(r"say('caf\xe9 \u4e2d \udcff'); print('\xe9', file=sys.stderr)", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stdout == "caf\\xe9 \\u4e2d \\udcff\n" and done.stderr == "\\xe9\n"


@pytest.mark.parametrize("output", ["| true", "> /dev/full"])
def test_a_log_that_nobody_reads_does_not_end_the_program(tmp_path, output):
    path = tmp_path / "end"
    code = "import pathlib, time; time.sleep(0.3); [say('line') for _ in range(3)]; "
    code += f"pathlib.Path({str(path)!r}).write_text('end')"
    done = subprocess.run(
        ["sh", "-c", f'"$@" {output}', "sh", sys.executable, "-c", AS_PROGRAM + code],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert path.read_text() == "end" and not done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [
    "--help", pytest.param("configs", marks=pytest.mark.slow),
    pytest.param("report --help", marks=pytest.mark.slow),
])  # fmt: skip
def test_output_that_cannot_be_written_is_one_line_and_an_ended_reader_is_none(words, unbuffered):
    full, ended = (
        subprocess.run(
            f"{sys.executable} -m nst {words} {output}", shell=True, cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered}, capture_output=True, text=True,
        )
        for output in ("> /dev/full", "| true")
    )  # fmt: skip
    assert full.returncode == 1 and full.stderr == "error: No space left on device\n"
    assert not ended.stderr


@pytest.mark.parametrize("module", ["absl", "numpy"])
def test_ctrl_c_during_the_imports_leaves_no_traceback(module):
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "experiments.report"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        for line in process.stderr:  # a line for each module that has been imported
            if line.split()[-1] == module:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == -signal.SIGINT and "Traceback" not in rest
