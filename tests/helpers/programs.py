"""Runs programs: several times with only one import of their modules, or in a process that can be killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]

# JAX has not started when the process forks, so each child runs the program as `python -m` would
_DRIVER = """
import json, os, runpy, sys, tempfile, traceback, warnings
import experiments.cli, nst.runs.stylize
module, commands = sys.argv[1], json.loads(sys.argv[2])
ends = []
for flags in commands:
    with tempfile.TemporaryFile() as output:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # JAX warns of every fork, Python of those with threads
            child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1), os.dup2(output.fileno(), 2)
            sys.argv = [module, *flags]
            code = 0
            try:
                runpy.run_module(module, run_name="__main__", alter_sys=True)
            except SystemExit as end:
                code = end.code or 0
            except BaseException:
                traceback.print_exc()
                code = 1
            if isinstance(code, str):
                print(code, file=sys.stderr)
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(1 if isinstance(code, str) else code)  # to take Python down takes longer
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        ends.append([status, output.read().decode()])
print(json.dumps(ends))
"""


def run_each(module, commands, **environment):
    """Returns [(exit status, output)] of `python -m module` with each list of flags, in its own process."""
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, module, json.dumps(commands)],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [tuple(end) for end in json.loads(done.stdout.splitlines()[-1])]


def check_one_line_errors(cases, ends):
    """Asserts that each of the (flags, words) ended with status 1 and a one-line error with those words."""
    wrong = []
    for (flags, words), (status, output) in zip(cases, ends, strict=True):
        lines = [line for line in output.splitlines() if line.startswith("error: ")]
        if status != 1 or len(lines) != 1 or words not in lines[0] or "Traceback" in output:
            wrong.append(f"{flags}: status {status}, and not {words!r} but {output!r}")
    assert not wrong, "\n".join(wrong)


def launch(arguments):
    """Starts a command whose output, errors included, can be read as text."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(arguments):
    """Runs a command, and returns its exit status and its output."""
    process = launch(arguments)
    output, _ = process.communicate()
    return process.returncode, output


def wait_for(path, process):
    """Waits until a running process has written a file."""
    while not path.exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
