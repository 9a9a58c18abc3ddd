"""`flask flows check`: what is wrong with a flows file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.flows.flows_file import FLOWS, Run, flask, written


def test_a_file_without_fault_is_summarised_in_one_line(run: Run, file: Path) -> None:
    code, out, err = run("check")
    assert (code, err) == (0, "")
    version = out.split("version ")[1][:8]
    rest = "; calls that no route fits hear the last resort"
    assert out == f"{file}: 5 routes, 4 flows, version {version}: no fault{rest}\n"
    assert set(version) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("routes", "every"),
    [
        ('- { to: "44*", flow: a }\n  - { flow: a }', True),
        ("- { when: office, flow: a }\n  - { when: not office, flow: a }", True),
        ("- { when: not office, flow: a }", False),
        ("- { when: office, flow: a }\n  - { when: not shop, flow: a }", False),
        ('- { when: office, flow: a }\n  - { when: not office, from: "*", flow: a }', False),
        ('- { from: "*", flow: a }', False),
        ('- { from_user: "*", flow: a }\n  - { from: "44*", flow: a }', False),
    ],
)
def test_routes_that_do_not_fit_every_call_are_reported(run: Run, tmp_path: Path, routes: str, every: bool) -> None:
    hours = "{ zone: Europe/London, open: { mon-fri: 09:00-17:00 } }"
    used = [name for name in ("office", "shop") if name in routes]
    text = f"routes:\n  {routes}\nflows: {{ a: [{{ action: talk, text: Hello. }}] }}\n"
    if used:
        text += f"hours: {{ {', '.join(f'{name}: {hours}' for name in used)} }}\n"
    code, out, _ = run("check", str(written(tmp_path / "routes.yaml", text)))
    assert code == 0, out
    assert out.endswith(": no fault\n" if every else ": no fault; calls that no route fits hear the last resort\n")


def test_the_summary_of_one_route_has_no_plural(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "one.yaml", "routes: [{ flow: a }]\nflows: { a: [{ action: talk, text: Hello. }] }\n")
    assert ": 1 route, 1 flow, version " in run("check", str(file))[1]


def test_the_default_file_has_no_fault_and_a_relative_path() -> None:
    done = flask("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("config/flows.yaml: 3 routes, 3 flows, version ")


def test_every_fault_has_a_line_with_its_position_and_the_last_line_counts_them(run: Run, tmp_path: Path) -> None:
    text = FLOWS.replace("text: We are closed.", "texxt: We are closed.").replace("flow: out", "flow: oout")
    file = written(tmp_path / "bad.yaml", text)
    code, out, err = run("check", str(file))
    assert (code, err) == (1, "")
    *faults, last = out.splitlines()
    assert last == f"{len(faults)} faults in {file}"
    assert any(line.startswith(f"{file}:9:11: routes[2].flow: ") for line in faults)
    assert any(line.startswith(f"{file}:23:") and "texxt" in line for line in faults)


def test_one_of_several_files_with_a_fault_is_enough(run: Run, file: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.yaml"
    code, out, _ = run("check", str(nowhere), str(file))
    assert code == 1
    first, second, third = out.splitlines()
    assert first == f"{nowhere}: there is no such file"
    assert second == f"1 fault in {nowhere}"
    assert ": no fault" in third


def test_nothing_in_a_file_controls_the_terminal(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "odd\x1b[2J.yaml", 'routes: [{ flow: "\\e]0;owned\\a" }]\n"\\e[31m\\u202e": 1\n')
    code, out, _ = run("check", str(file))
    assert code == 1
    assert r"\x1b" in out
    assert all(line.isprintable() for line in out.split("\n"))
