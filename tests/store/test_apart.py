"""Work apart from requests: what a caller may be waiting for does not wait behind those who only read."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own, as a worker of gunicorn is: with gevent's patches.
IN_A_WORKER = """
from gevent import monkey
monkey.patch_all()
import gevent
from app.store import apart

may_end = monkey.get_original("_thread", "allocate_lock")()
may_end.acquire()

def first():
    apart.goes_first.set(True)
    return apart.apart(lambda: "first")

apart.begin()
reader = gevent.spawn(apart.apart, may_end.acquire)
another = gevent.spawn(apart.apart, lambda: "another")
assert gevent.spawn(first).get(timeout=30) == "first"
gevent.sleep(0.05)
assert not reader.ready() and not another.ready(), "one piece of the readers after the other"
may_end.release()
assert another.get(timeout=30) == "another" and reader.get(timeout=30) is True
print("done")
"""


def test_what_goes_first_waits_for_no_reader() -> None:
    found = subprocess.run([sys.executable, "-c", IN_A_WORKER], capture_output=True, text=True, timeout=90, check=False)
    assert (found.stdout, found.stderr) == ("done\n", "")
