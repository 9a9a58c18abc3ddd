"""A flows file without fault, and `flask flows` as people run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.serving import ROOT

FLOWS = """\
routes:
  - to: "442079460001"
    when: not office
    flow: closed
  - to: "442079460001"
    flow: menu
  - from_user: "*"
    to: number
    flow: out
  - to: "442079460009"
    flow: broken
  - to: "442079460008"
    from: "*"
    flow: menu

hours:
  office:
    zone: Europe/London
    open: { mon-fri: "09:00-17:00" }

flows:
  closed:
    - { action: talk, text: We are closed. }

  menu:
    about: A choice of two
    steps:
      choice:
        - action: talk
          text: For sales press 1.
        - action: input
          type: [dtmf]
          dtmf: { maxDigits: 1 }
          next:
            keys: { 1: sales }
            else: sorry
      sales:
        - action: connect
          from: "442079460001"
          timeout: 20
          endpoint: [{ type: phone, number: "447700900301" }]
          next: nobody
      nobody:
        - { action: talk, text: Nobody is there. }
      sorry:
        - { action: talk, text: "You said {{ inputs.choice.digits }}." }

  out:
    - action: connect
      endpoint: [{ type: phone, number: "{{ to }}" }]

  broken:
    - { action: talk, text: "{{ headers.Account }}" }
"""
OPEN, CLOSED = "2026-11-20T12:00", "2026-11-20T18:00"  # a Friday

Run = Callable[..., tuple[int, str, str]]


def written(file: Path, text: str) -> Path:
    """Write *text* to *file*; returns *file*."""
    file.write_text(text, encoding="utf-8")
    return file


def flask(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`flask flows`, run as people run it."""
    return subprocess.run(
        [sys.executable, "-m", "flask", "flows", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
