"""Text that is safe to print: names and ids are whatever a peer sent."""

from __future__ import annotations


def count(number: int, what: str, many: str | None = None) -> str:
    """1 fault, 2 faults; *many* where that is not *what* and an s."""
    return f"{number} {what if number == 1 else many or what + 's'}"


def safe(line: str) -> str:
    """*line* with every character that could control the terminal written as an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


def safe_lines(text: str) -> str:
    """*text* made safe line by line; its line breaks stay."""
    return "\n".join(map(safe, text.split("\n")))
