"""How long answers take while events come as fast as they are taken, beside a route that does nothing, loaded alike.

    python -m benchmarks.answers [--rounds 6] [--seconds 4] [--connections 32]

One worker each, in turn. So many connections send without a pause, to Switchhook signed events and to the Flask route
the same requests; another one asks meanwhile, one request after the other: for answers there, for nothing here. What
counts is the ratio of the latencies. Answers connect to a user who is free, another one each time; then to one who has
as many calls as a user may have.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import ExitStack
from itertools import islice
from multiprocessing import Process
from tempfile import NamedTemporaryFile

from benchmarks import servers
from benchmarks.load import Result, run
from benchmarks.webhooks import calls, request

CALLS_A_SECOND = 700  # prepared, of seven events each: more than a worker takes
SHARES = (0.5, 0.99)
FLOWS = """
routes: [{flow: any}]
flows:
  any:
    - {action: talk, text: Please hold the line while we connect your call.}
    - {action: connect, from: "{{ from | digits }}", endpoint: [{type: app, user: "%s"}]}
"""
USERS = {"free": "user {{ from | digits }}", "busy": "Alice"}


def main() -> int:
    """Measure, print; 1 if an answer failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn")
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    return max(measure(which, user, options) for which, user in USERS.items())


def measure(which: str, user: str, options: argparse.Namespace) -> int:
    """Measure answers that connect to *user*, an expression, print; 1 if one failed."""
    answers: list[Result] = []
    nothings: list[Result] = []
    with ExitStack() as running:
        flows = running.enter_context(NamedTemporaryFile("w", suffix=".yaml"))
        flows.write(FLOWS % user)
        flows.flush()
        address = running.enter_context(servers.store())
        settings = {"FLOWS_FILE": flows.name}
        ours = running.enter_context(servers.server("wsgi:app", address, "--workers", "1", settings=settings))
        nothing = running.enter_context(servers.server("benchmarks.nothing:app", address, "--workers", "1"))
        servers.get(ours.port, "/readyz")  # once the app is imported
        for number in range(options.rounds + 1):  # the first one warms up
            answer = _turn(ours.port, "/voice/answer", options)
            without = _turn(nothing.port, "/voice/event", options)
            if number:
                answers.append(answer)
                nothings.append(without)
    for share in SHARES:
        ours_ms, nothing_ms = ([result.percentile(share) for result in each] for each in (answers, nothings))
        ratios = [a / b for a, b in zip(ours_ms, nothing_ms, strict=True)]
        answer_ms, without_ms = statistics.median(ours_ms), statistics.median(nothing_ms)
        print(
            f"{which}, p{share * 100:.0f}: an answer {answer_ms:.1f} ms, nothing {without_ms:.1f} ms, ratio "
            f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        )
    return int(any(result.others for result in answers))


def _turn(port: int, path: str, options: argparse.Namespace) -> Result:
    """The latencies of requests to *path* beside a load of events."""
    made = list(islice(calls(), int(options.seconds * CALLS_A_SECOND)))
    events = [request("/voice/event", event) for _, of_call in made for event in of_call]
    asked = [request(path, answer) for answer, _ in made]
    load = Process(
        target=run, args=(port, events), kwargs={"connections": options.connections, "most_seconds": options.seconds}
    )
    load.start()
    try:
        return run(port, asked, connections=1, most_seconds=options.seconds - 0.5)
    finally:
        load.join()


if __name__ == "__main__":
    sys.exit(main())
