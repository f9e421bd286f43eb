"""YAML text becomes plain values with places, or problems; never an exception, never a guess."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttseg.errors import Source
from mqttseg.policy.document import Document, Node, parse_document, read_document
from mqttseg.policy.scalars import is_ambiguous, resolve


def parsed(text: str) -> Node:
    document = parse_document(text, "f.yaml")
    assert document.problems == ()
    assert document.root is not None
    return document.root


def only_problem(document: Document) -> str:
    assert len(document.problems) == 1, document.problems
    return str(document.problems[0])


def test_every_value_knows_its_line_and_column() -> None:
    root = parsed("a: 1\nb:\n  - x\n  - {c: y}\n")
    b = root.entries["b"]
    assert root.entries["a"].source == Source("f.yaml", 1, 4)
    assert b.key == Source("f.yaml", 2, 1)
    assert b.items[0].source == Source("f.yaml", 3, 5)
    assert b.items[1].entries["c"].source == Source("f.yaml", 4, 9)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("2027-01-31", "2027-01-31"),
        ("12:30:00", "12:30:00"),
        ("1.4.2", "1.4.2"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("+/a", "+/a"),
        (".inf", ".inf"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ('"12"', "12"),
        ("'true'", "true"),
    ],
)
def test_unquoted_words_are_read_as_yaml_1_2_does(written: str, value: object) -> None:
    read = parsed(f"a: {written}\n").entries["a"].value
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize("number", ["010", "0x1f", "0o17", "0b1", "1_000", "00", "-07", "1" * 19])
def test_numbers_that_readers_disagree_about_are_refused(number: str) -> None:
    assert "disagree" in only_problem(parse_document(f"a: {number}\n", "f.yaml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f.yaml:1:1: the file is empty"),
        ("# only\n# comments\n", "f.yaml:1:1: the file is empty"),
        ("---\n...\n", "empty"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key 'a' is here twice (first in line 1)"),
        ("a: {b: {c: 1, c: 2}}\n", "f.yaml:1:15: the key 'c' is here twice"),
        ("a: [1, 2\nb: 3\n", "f.yaml:2:2: not valid YAML"),
        ('a: "b\n', "not valid YAML"),
        ("a:\n\t- b\n", "not valid YAML"),
        ("a: b: c\n", "f.yaml:1:5: not valid YAML"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second YAML document"),
        ("a: !!python/object/apply:os.system ['id']\n", "the tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
        ("a: !x b\n", "f.yaml:1:4: the tag '!x'"),
        ("12: a\n", 'f.yaml:1:1: the key 12 is a number, not text; write "12" in quotes'),
        ("true: a\n", "is a boolean, not text"),
        ("? [a, b]\n: c\n", "stands where a key is wanted"),
        ("a: &x 1\n*x : 2\n", "an alias stands where a key is wanted"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "f.yaml:3:3: merge keys"),
        (
            "a: *gone\n",
            'f.yaml:1:4: the alias *gone has no anchor above it; text that begins with * must be quoted: "*gone"',
        ),
        ("a: &x [*x]\n", "contains itself"),
        ("a: b\x07c\n", "f.yaml:1:5: the character U+0007"),
        ('a: "b\\0c"\n', "f.yaml:1:4: the text holds a control character"),
        ("[" * 200_000, "f.yaml:1:33: nested deeper than 32 levels"),
        ("a: " + "{a: " * 100, "nested deeper"),
        ('a: "\\ud800"\n', "not valid YAML"),
        ("%YAML 9.9\n---\na: 1\n", "not valid YAML"),
    ],
)
def test_what_is_not_one_tree_of_plain_values_is_a_problem(text: str, said: str) -> None:
    assert said in only_problem(parse_document(text, "f.yaml"))


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    layers = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 60)]
    bomb = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]", *layers])
    assert "expand to too much" in only_problem(parse_document(bomb, "f.yaml"))


def test_a_tower_of_aliases_is_no_deeper_than_anything_else() -> None:
    tower = "\n".join(["a0: &a0 x", *(f"a{i}: &a{i} [[[[[*a{i - 1}]]]]]" for i in range(1, 50))])
    assert "expand to too much" in only_problem(parse_document(tower, "f.yaml"))


def test_an_alias_stands_for_the_value_and_keeps_its_place() -> None:
    root = parsed("a: &people [x, y]\nb: *people\n")
    assert root.plain() == {"a": ["x", "y"], "b": ["x", "y"]}
    assert root.entries["b"].items[1].source == Source("f.yaml", 1, 16)


def test_all_problems_of_a_file_come_in_one_run() -> None:
    document = parse_document("a: 010\na: 2\nb: !x 1\n3: c\n", "f.yaml")
    assert [problem.source.line for problem in document.problems] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: b\nc: caf\xe9\n", ":2:7: the file is not UTF-8"),
        ("a: b".encode("utf-16"), ":1:1: the file is not UTF-8"),
        (b"\x00\x01", "U+0000"),
        (b"", "empty"),
    ],
)
def test_bytes_that_are_not_text_are_a_problem(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(data)
    assert said in only_problem(read_document(path))


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    root = read_document(path).root
    assert root is not None
    assert root.plain() == {"a": 1}


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path, Path("nul\0name")):
        assert "cannot read the file" in only_problem(read_document(path))


@given(st.text(alphabet=st.sampled_from("ab:- \n\t[]{}&*!|>'\"%#,?01._~\\<x\u2028é"), max_size=60))
def test_any_text_gives_a_tree_or_problems(text: str) -> None:
    document = parse_document(text, "f.yaml")
    assert (document.root is None) <= bool(document.problems)
    assert all(problem.source.line >= 1 and problem.source.column >= 1 for problem in document.problems)


@given(st.text(max_size=40))
def test_any_unicode_gives_a_tree_or_problems(text: str) -> None:
    document = parse_document(text, "f.yaml")
    assert document.root is not None or document.problems


@given(st.text(alphabet="0123456789.eE+-_xob", max_size=30))
def test_any_number_is_read_or_refused(text: str) -> None:
    assert is_ambiguous(text) or isinstance(resolve(text), str | int | float | None)
