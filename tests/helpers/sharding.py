"""Calls functions in a process with several devices, whose number JAX fixes when it starts."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def flags(devices):
    """Returns XLA_FLAGS with a number of devices, in addition to the flags of all tests."""
    return f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"


def environment(devices):
    return os.environ | {"XLA_FLAGS": flags(devices), "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}


def on_eight(function, *arguments):
    """Returns the result, as JSON values, of a function of a test's module on eight devices."""
    code = (
        "import json, sys, warnings; warnings.simplefilter('error'); "
        "warnings.filterwarnings('ignore', 'Error reading persistent compilation cache'); "
        f"import {function.__module__} as module; "
        f"print(json.dumps(module.{function.__name__}(*json.loads(sys.argv[1]))))"
    )
    command = [sys.executable, "-c", code, json.dumps([str(argument) for argument in arguments])]
    done = subprocess.run(command, env=environment(8), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
