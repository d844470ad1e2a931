"""The size of XLA's thread pool, which decides whether a vmapped, scanned program can stop for ever."""

import subprocess
import sys


def test_the_package_chooses_the_pool_only_on_few_cores_and_never_over_the_user(clean_environment):
    program = """import os, sys
os.sched_getaffinity = lambda process: range(int(sys.argv[1]))
import mlr_jax
print(os.environ.get("PJRT_NPROC"))"""
    environment = {name: value for name, value in clean_environment.items() if name != "PJRT_NPROC"}

    def chosen(cores: int, **more: str) -> str:
        command = [sys.executable, "-c", program, str(cores)]
        return subprocess.run(
            command, env={**environment, **more}, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert (chosen(2), chosen(4), chosen(64)) == ("4", "None", "None")
    assert chosen(2, PJRT_NPROC="3") == "3"
