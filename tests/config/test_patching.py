"""A worker's patches of the standard library read about the installed packages once."""

import subprocess
import sys
from importlib import metadata

PATCH = """
from importlib import metadata
from config.worker import QuietWorker
from gevent import monkey

of_all, reads = metadata.distributions, []
metadata.distributions = lambda **context: reads.append(context) or of_all(**context)
before = metadata.entry_points
worker = object.__new__(QuietWorker)
worker.sockets = []
worker.patch()
assert metadata.entry_points is before
print(len(reads), monkey.is_module_patched("socket"))
"""


def test_a_worker_reads_about_installed_packages_once() -> None:
    """If it is more, gevent asks in another way: then config/patching.py has to."""
    ran = subprocess.run([sys.executable, "-c", PATCH], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split() == ["1", "True"]
    assert metadata.entry_points(group="console_scripts")
