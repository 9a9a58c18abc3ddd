"""YAML as people write it: values, their positions, and faults."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vonage_simulator import yaml_source
from vonage_simulator.yaml_source import Fault, Faults

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
# What YAML gives a meaning to, and some of what it does not.
TANGLE = st.text("ab12:-.[]{}'\"\\ \n\t\r#*&!|>%@`?,~<=\x85\ufeffuU0x", max_size=40)


def faults(text):
    """The faults of *text*, as lines."""
    with pytest.raises(Faults) as caught:
        yaml_source.read(text, "file.yaml")
    return str(caught.value).splitlines()


FILE = """\
# a comment
about: x
calls:
  - from: "447700900001"
    keys: [a, b]
  -
    "*": {does: busy}
empty:
"""


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ((), (2, 1), (2, 1)),
        (("about",), (2, 8), (2, 1)),
        (("calls",), (4, 3), (3, 1)),
        (("calls", 0), (4, 5), (4, 5)),
        (("calls", 0, "from"), (4, 11), (4, 5)),
        (("calls", 0, "keys", 1), (5, 15), (5, 15)),
        (("calls", 1, "*", "does"), (7, 17), (7, 11)),
        (("empty",), (8, 7), (8, 1)),
    ],
)
def test_every_value_and_every_key_has_its_position(path, value, key):
    read = yaml_source.read(FILE, "file.yaml")
    assert (read.at(path), read.at(path, key=True)) == (value, key)


def test_a_missing_value_has_the_position_of_its_parent():
    read = yaml_source.read(FILE, "file.yaml")
    assert read.at(("calls", 0, "to")) == read.at(("calls", 0, "to", "deeper"), key=True) == (4, 5)


def test_a_fault_is_one_line_with_file_line_column_field_and_words():
    fault = yaml_source.read(FILE, "file.yaml").fault(("calls", 1, "*", "does"), "must be louder", key=True)
    assert fault == Fault("file.yaml", 7, 11, 'calls[1]["*"].does', "must be louder")
    assert str(fault) == 'file.yaml:7:11: calls[1]["*"].does: must be louder'


def test_faults_are_in_the_order_of_files_and_lines():
    some = [
        Fault("b", 1, 1, "", "x"),
        Fault("a", 10, 1, "f", "x"),
        Fault("a", 2, 3, "f", "x"),
        Fault("a", 2, 1, "", ""),
    ]
    assert str(Faults(some)).splitlines() == ["a:2:1", "a:2:3: f: x", "a:10:1: f: x", "b:1:1: x"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("2.5", 2.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("0441234567890", "0441234567890"),
        ("+441234567890", "+441234567890"),
        ("00", "00"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2026-11-20", "2026-11-20"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("1" * 5000, "1" * 5000),
        ("1234#", "1234#"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("=", "="),
    ],
)
def test_without_quotes_a_value_has_its_own_type(written, value):
    read = yaml_source.read(f"a: {written}", "file.yaml").value["a"]
    assert (read, type(read)) == (value, type(value))


def test_a_key_is_the_text_as_written():
    assert yaml_source.read("{447700900001: 1, on: 2, 0x1: 3, ~: 4, '': 5}", "file.yaml").value == {
        "447700900001": 1,
        "on": 2,
        "0x1": 3,
        "~": 4,
        "": 5,
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\ufeff"])
def test_an_empty_file_has_no_value(text):
    assert yaml_source.read(text, "file.yaml").value is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3", "file.yaml:3:1: a: is in line 1 already"),
        ("x:\n  - a: 1\n    a: 2", "file.yaml:3:5: x[0].a: is in line 2 already"),
        ("a: &b [1]\nc: *b", "file.yaml:2:4: c: *b is an alias, and those are refused: write it out, or in quotes"),
        ("a: !!python/name:os.system", "file.yaml:1:4: a: has a tag (!), and those are refused: "),
        ("a: [!x 1]", "file.yaml:1:5: a[0]: has a tag (!), and those are refused: "),
        ("? [a]\n: 1", "file.yaml:1:3: a name is expected here: "),
        ("x: {*: 1}", "file.yaml:1:6: is no YAML: expected alphabetic or numeric character, but found ':' while "),
        ("--- a\n--- b", "file.yaml:2:1: another document begins: a file has one"),
        ('a:\n  - "\\ud83d"', "file.yaml:2:5: a[0]: has half a character: "),
        ('a: "\\Uffffffff"', "file.yaml:1:7: has a code that no character has"),
        ("a: 1\nb: x\0", "file.yaml:2:5: has a character that no text has: U+0000"),
        (
            "a: 1\n\tb: 2",
            "file.yaml:2:1: is no YAML: found character '\\t' that cannot start any token while scanning ",
        ),
        ("a: x: y", "file.yaml:1:5: is no YAML: mapping values are not allowed here; a text that has a colon "),
        ("a: @x", "file.yaml:1:4: is no YAML: found character '@' that cannot start any token while scanning "),
        ("a:\n - 'x\nb: 1", "file.yaml:2:4: is no YAML: found unexpected end of stream while scanning a quoted "),
        ("a: [1\nb: 2", "file.yaml:2:2: is no YAML: expected ',' or ']', but got ':' while parsing a flow sequence "),
        ("a: " + "[" * 40, "file.yaml:1:35: goes deeper than 32 levels"),
    ],
)
def test_unsupported_yaml_is_named_by_line_and_column(text, fault):
    (said,) = faults(text)
    assert said.startswith(fault)


def test_common_mistakes_get_advice():
    assert faults("a:\n\t- 1")[0].endswith("; indent with blanks, not with tabs")
    assert faults("a: `x`")[0].endswith("; a text that begins so needs quotes")
    assert faults("about: Menu: by keys")[0].endswith(
        "; a text that has a colon and a blank needs quotes, and names of one level need one indentation"
    )


def test_all_faults_are_named_at_once():
    assert [line.split(": ")[0] for line in faults("a: *x\nb: !!int 5\na: 1\n\tc: d")] == [
        "file.yaml:1:4",
        "file.yaml:2:4",
        "file.yaml:3:1",
        "file.yaml:4:1",
    ]


def test_few_lines_cannot_mean_billions():
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9) if n else 'lol'}]" for n in range(10))
    assert len(faults(levels)) == 81


@given(TANGLE | st.text(max_size=40))
@example("%YAML 3.0\n---\na: 1")
@example("- |\n x\n  - ?")
def test_any_text_is_read_or_refused_with_faults(text):
    """Also if PyYAML raises an error of its own."""
    reported: tuple[Fault, ...] = ()
    try:
        read = yaml_source.read(text, "file.yaml")
        json.dumps(read.value, allow_nan=False).encode()
        assert all(min(position) >= 1 for places in read.places.values() for position in places)
    except Faults as error:
        reported = error.faults
    assert all(fault.line and fault.column and fault.words for fault in reported)


@given(JSON)
@example({"a": ["447700900001", "no", "0x1", "2026-11-20", "1e5", "+44", "", " x ", "#", "- a: b"]})
def test_a_written_value_is_read_back(value):
    assert json.dumps(yaml_source.read(yaml_source.write(value), "file.yaml").value) == json.dumps(value)


def test_a_shared_value_is_written_twice():
    same = {"action": "talk"}
    assert yaml_source.write([same, same]) == "- action: talk\n- action: talk\n"


def load_fault(path):
    with pytest.raises(Faults) as caught:
        yaml_source.load(path)
    return str(caught.value)


def test_a_file_is_read_as_utf_8_with_or_without_its_mark(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_bytes("\ufeffabout: Zoë".encode())
    read = yaml_source.load(path)
    assert (read.name, read.value) == (str(path), {"about": "Zoë"})


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("about: x\nname: Zoë".encode("latin-1"), ":2:9: is not UTF-8 from here on"),
        ("\ufeffabout: ö".encode() + b"\xff", ":1:9: is not UTF-8 from here on"),
        ("about: x".encode("utf-16"), ":1:1: is not UTF-8 from here on"),
        (b"\x7fELF\x02\x01\0\0", ":1:1: has a character that no text has: U+007F"),
        (b"#" * (yaml_source.MOST_BYTES + 1), ": is larger than 256 KiB"),
    ],
)
def test_a_binary_file_is_refused_in_one_line(tmp_path, data, fault):
    path = tmp_path / "file.yaml"
    path.write_bytes(data)
    assert load_fault(path) == f"{path}{fault}"


def test_a_path_without_file_is_refused_in_one_line(tmp_path):
    assert load_fault(tmp_path) == f"{tmp_path}: is a folder, not a file"
    assert load_fault(tmp_path / "none.yaml") == f"{tmp_path / 'none.yaml'}: there is no such file"
    assert load_fault(Path("a\0b")) == "a\0b: cannot be read: embedded null byte"
    assert load_fault(Path("x" * 300)) == f"{'x' * 300}: cannot be read: File name too long"
    (tmp_path / "file").touch()
    assert (
        load_fault(tmp_path / "file" / "a.yaml") == f"{tmp_path / 'file' / 'a.yaml'}: cannot be read: Not a directory"
    )
