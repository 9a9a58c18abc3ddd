"""Whether a known vulnerability is in what the server needs: `python -m tests.audit`. Ends with 1 if one is.

Without a network, or at an index that has no list of them, it says so and ends with 0.
https://github.com/pypa/pip-audit
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--timeout", "15", "--format", "json")


def main() -> int:
    """Ask, and print what was found."""
    command = [sys.executable, "-m", "pip_audit", "-r", "requirements.txt", *OPTIONS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        why = done.stderr.strip().splitlines() or ["pip-audit said nothing"]
        print(f"not checked for known vulnerabilities: {why[-1][:300]}")
        return 0
    words, status = verdict(dependencies)
    print(words)
    return status


def verdict(dependencies: list[dict[str, Any]]) -> tuple[str, int]:
    """What to print of pip-audit's *dependencies*, and the exit status."""
    found = []
    for each in dependencies:
        for fault in each.get("vulns", ()):
            mended = ", ".join(fault["fix_versions"]) or "no version"
            found.append(f"{each['name']} {each['version']}: {fault['id']}, mended in {mended}")
    unknown = [each["name"] for each in dependencies if "skip_reason" in each]
    lines = [f"known vulnerabilities: {len(found)}", *found]
    if unknown:
        lines.append(f"not checked, for the index says nothing of them: {len(unknown)} of {len(dependencies)}")
    return "\n".join(lines), 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
