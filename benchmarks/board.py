"""What a board of 1,000 live calls costs the browser that shows it, while calls change.

    python -m benchmarks.board [--calls 1000] [--rate 20] [--seconds 20]

A Chromium looks at the board of a server with one worker. Calls are answered, end and begin, so many of them a second.
Measured in the page: the gaps between its frames (60 a second, if nothing blocks one), its longest task, also in
processor time, which does not count what else the machine does, and how long it takes from sending the first webhook of
a call until its row is there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from collections import deque
from hashlib import sha256
from typing import Any, Final

from playwright.sync_api import Page, sync_playwright

from benchmarks import servers
from benchmarks.load import run
from benchmarks.run import request
from tests.browser import chromium

KEY_LENGTH: Final = 16  # of a row's id; see app/pages/board_rows.py
MEASURE: Final = """() => {
    const found = window.found = { gaps: [], tasks: [], rows: {} };
    new PerformanceObserver(list => found.tasks.push(...list.getEntries().map(each => each.duration)))
        .observe({ type: "longtask" });
    new MutationObserver(changes => {
        for (const { addedNodes } of changes) for (const row of addedNodes) found.rows[row.id] ??= Date.now();
    }).observe(document.querySelector("#group-live tbody"), { childList: true });
    let before = performance.now();
    requestAnimationFrame(function frame(now) {
        found.gaps.push(now - before);
        before = now;
        requestAnimationFrame(frame);
    });
}"""


class Call:
    """A call that rings, is answered, and ends."""

    def __init__(self, number: int) -> None:
        self.leg, self.conversation = str(uuid.uuid4()), f"CON-{uuid.uuid4()}"
        self.caller = str(44_7000_000_000 + number)

    @property
    def row(self) -> str:
        """The id of its row."""
        return f"call-{sha256(self.leg.encode()).hexdigest()[:KEY_LENGTH]}"

    def webhook(self, status: str) -> dict[str, Any]:
        """That it has this status."""
        parties = {"from": self.caller, "to": "442079460000", "direction": "inbound"}
        return {"conversation_uuid": self.conversation, "uuid": self.leg, "status": status, **parties}


def fill(port: int, count: int) -> deque[Call]:
    """So many live calls, half of them answered."""
    calls = deque(Call(number) for number in range(count))
    webhooks = [call.webhook("ringing") for call in calls]
    webhooks += [call.webhook("answered") for number, call in enumerate(calls) if number % 2]
    post(port, *webhooks)
    return calls


def change(port: int, calls: deque[Call], rate: float, seconds: float) -> dict[str, float]:
    """Change *calls*, so many a second: by turns one begins, is answered, and ends.

    Returns when each new one began, in milliseconds since 1970, by the id of its row.
    """
    began, sent = time.monotonic(), dict[str, float]()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        if number % 3 == 0:
            call, status = Call(10_000 + number), "ringing"
            calls.append(call)
            sent[call.row] = time.time() * 1000
        elif number % 3 == 1:
            call, status = calls[number % len(calls)], "answered"
        else:
            call, status = calls.popleft(), "completed"
        post(port, call.webhook(status))
    return sent


def post(port: int, *webhooks: dict[str, Any]) -> None:
    """Send *webhooks*, which have to be kept."""
    requests = [request("/voice/event", webhook) for webhook in webhooks]
    result = run(port, requests, connections=min(8, len(requests)), most_seconds=120)
    if len(result.answered) < len(requests):
        raise RuntimeError(f"not all events were kept: {len(result.answered)} of {len(requests)}, {result.others}")


def processor_times(trace: bytes) -> list[float]:
    """The processor time of each task of the page, in milliseconds, the shortest first."""
    events = json.loads(trace)["traceEvents"]
    threads = [
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    ]
    tasks: dict[tuple[int, int], list[float]] = {thread: [] for thread in threads}
    for each in events:
        thread = each["pid"], each["tid"]
        if thread in tasks and each["name"] == "ThreadControllerImpl::RunTask" and "tdur" in each:
            tasks[thread].append(each["tdur"] / 1000)
    return sorted(max(tasks.values(), key=sum))


def open_board(page: Page) -> None:
    """Log in, as an operator does."""
    page.goto("/login")
    page.get_by_role("textbox").fill(servers.TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector("#board")


def share_of(ordered: list[float], share: float) -> float:
    """What that share of them is not above."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> int:
    """Measure and print. 1 if a call is missing in the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=20.0, help="changes a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    with (
        servers.store() as address,
        servers.server("wsgi:app", address, "--workers", "1") as ours,
        sync_playwright() as playwright,
    ):
        calls = fill(ours.port, options.calls)
        browser = chromium.launched(playwright)
        with chromium.opened(browser, f"http://127.0.0.1:{ours.port}") as context:
            page = context.new_page()
            page.set_default_timeout(60_000)
            open_board(page)
            shown = page.locator("#group-live tbody tr").count()
            for number in range(2):  # by then it has taken in the beginning of the stream
                calls.append(Call(options.calls + number))
                post(ours.port, calls[-1].webhook("ringing"))
                page.wait_for_selector(f"#{calls[-1].row}")
            page.evaluate(MEASURE)
            browser.start_tracing(page=page, categories=["toplevel"])
            sent = change(ours.port, calls, options.rate, options.seconds)
            processor = processor_times(browser.stop_tracing())
            page.wait_for_timeout(3_000)
            found: dict[str, Any] = page.evaluate("found")
        browser.close()
    gaps, tasks = sorted(found["gaps"][1:]), sorted(found["tasks"])
    seen = sorted(found["rows"][row] - at for row, at in sent.items() if row in found["rows"])
    print(
        f"{shown} live calls, {options.rate:.0f} changes a second for {options.seconds:.0f} s\n"
        f"frames   longest {gaps[-1]:.0f} ms   99th {share_of(gaps, 0.99):.0f} ms   "
        f"median {share_of(gaps, 0.5):.0f} ms\n"
        f"tasks    longest {tasks[-1] if tasks else 0:.0f} ms; {len(tasks)} above 50 ms; "
        f"processor time: longest {processor[-1]:.0f} ms, {sum(processor) / options.seconds / 1000:.0%} in all\n"
        f"rows     seen after {share_of(seen, 0.5):.0f} ms (median), {share_of(seen, 0.95):.0f} ms (95th); "
        f"{len(seen)} of {len(sent)} seen"
    )
    return int(len(seen) < len(sent) or shown < options.calls)


if __name__ == "__main__":
    sys.exit(main())
