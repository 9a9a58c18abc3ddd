"""Compares with peers: `python -m benchmarks.peers`."""

from __future__ import annotations

import argparse
import sys

from benchmarks.peers import comparison

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=comparison.__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=comparison.ROUNDS)
    parser.add_argument("--seconds", type=float, default=comparison.SECONDS, help="of each turn, at most")
    parser.add_argument("--connections", type=int, default=comparison.CONNECTIONS)
    options = parser.parse_args()
    sys.exit(not comparison.measure(options.rounds, options.seconds, options.connections))
