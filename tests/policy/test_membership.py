"""Ids, globs and placement."""

from __future__ import annotations

import fnmatch
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttseg.policy.membership import Membership, glob_matches, glob_overlap, is_device_id
from mqttseg.policy.words import ANY, LONGEST_ID, RUN, ids_of, words
from tests.policy.policy_values import device, policy, role, segment

GLOBS = st.text("ab?*", min_size=1, max_size=6)
SHORT_IDS = st.text("ab", min_size=1, max_size=7)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("thermo-1", True),
        ("a" * 64, True),
        ("urn:dev:1.2_3", True),
        ("a" * 65, False),
        ("", False),
        ("-a", False),
        ("a/b", False),
        ("a+", False),
        ("#", False),
        ("a b", False),
        ("a\n", False),
        ("${device}", False),
        ("thermo-１", False),  # a full-width digit is no ASCII digit
        ("tһermo", False),  # a Cyrillic letter
    ],
)
def test_device_ids(text: str, verdict: bool) -> None:
    assert is_device_id(text) is verdict


@given(GLOBS, SHORT_IDS)
def test_a_glob_matches_what_the_shell_would_match(glob: str, device_id: str) -> None:
    assert glob_matches(glob, device_id) is fnmatch.fnmatchcase(device_id, glob)


def test_a_glob_full_of_stars_is_answered_at_once() -> None:
    assert not glob_matches("*a" * 30 + "*b", "a" * LONGEST_ID)


@given(GLOBS, GLOBS, st.frozensets(SHORT_IDS, max_size=4))
def test_an_overlap_is_an_id_of_both_that_is_not_excluded(a: str, b: str, excluding: frozenset[str]) -> None:
    found = glob_overlap(a, b, excluding)
    if found is not None:
        assert is_device_id(found)
        assert found not in excluding
        assert glob_matches(a, found)
        assert glob_matches(b, found)


@given(GLOBS, GLOBS, SHORT_IDS)
def test_no_overlap_means_that_no_id_is_in_both(a: str, b: str, device_id: str) -> None:
    if glob_matches(a, device_id) and glob_matches(b, device_id):
        assert glob_overlap(a, b) is not None


@pytest.mark.parametrize(
    ("a", "b", "excluding", "overlap"),
    [
        ("thermo-*", "*-1", (), "thermo-1"),
        ("a?", "?b", (), "ab"),
        ("a?", "?b", ("ab",), None),  # the only common id is named elsewhere
        ("cam-1", "cam-*", (), "cam-1"),
        ("cam-*", "thermo-*", (), None),
        ("-*", "*", (), None),  # no id begins with -
        ("*-----*", "?-*", (), "1-----1"),
        ("*" + "a" * 33, "a" * 33 + "b*", (), None),  # would be 67 characters
    ],
)
def test_overlaps(a: str, b: str, excluding: tuple[str, ...], overlap: str | None) -> None:
    assert glob_overlap(a, b, frozenset(excluding)) == overlap


def test_words_come_once_each() -> None:
    found = list(islice(words((RUN, "a", RUN), (ANY, RUN, ANY), 4), 500))
    assert len(found) == len(set(found)) == 500
    assert all("a" in word and 2 <= len(word) <= 4 for word in found)


HVAC = segment(
    "hvac",
    ["thermo-*", "ahu-01", "boss-1"],
    roles=[role("controller", ["bms-1", "boss-*"]), role("meter", ["thermo-m*"])],
)
CAMERAS = segment("cameras", ["cam-*", "thermo-9"], roles=[role("recorder", ["nvr-1"])])
SITE = Membership(
    policy(
        [HVAC, CAMERAS],
        devices=[
            device("thermo-5", segment="cameras"),
            device("cam-5", segment="cameras", role="recorder"),
            device("thermo-6", role="controller"),
            device("guest-1", segment="hvac"),
            device("boss-7", segment="hvac"),
            device("bms-1", segment="hvac", role=""),
            device("thermo-7"),
            device("nobody-1"),
            device("nobody-2", role="recorder"),
        ],
    )
)


@pytest.mark.parametrize(
    ("device_id", "place"),
    [
        # an exact id beats a glob, also one of a role, also one of another segment
        ("ahu-01", "hvac/"),
        ("thermo-9", "cameras/"),
        ("boss-1", "hvac/"),
        # within a segment, a role's glob beats the base's
        ("thermo-1", "hvac/"),
        ("thermo-m1", "hvac/meter"),
        ("boss-2", "hvac/controller"),
        ("nvr-1", "cameras/recorder"),
        # the inventory beats every member list; where it names no role, the segment's members give it
        ("thermo-5", "cameras/"),
        ("cam-5", "cameras/recorder"),
        ("thermo-6", "hvac/controller"),
        ("guest-1", "hvac/"),
        ("boss-7", "hvac/controller"),
        ("bms-1", "hvac/"),
        ("thermo-7", "hvac/"),
        # anything else is nowhere
        ("nobody-1", None),
        ("nobody-2", None),
        ("stranger", None),
        ("cam-/../x", None),
        ("cam-#", None),
        ("", None),
    ],
)
def test_placement(device_id: str, place: str | None) -> None:
    for _ in range(2):  # the second time from memory
        found = SITE.placement(device_id)
        assert (f"{found.segment.name}/{found.role.name}" if found else None) == place


def test_examples_name_every_known_id_and_one_of_each_glob() -> None:
    assert list(SITE.examples("cameras", "")) == ["thermo-9", "thermo-5", "cam-1"]
    assert list(SITE.examples("hvac", "meter")) == ["thermo-m1"]


SLICED = Membership(  # the rest first in the file: its place there does not count
    policy(
        [
            segment(
                "site", ["*", "old-1"], namespace=["#"], roles=[role("guests", ["guest-*"]), role("vips", ["vip-1"])]
            ),
            segment("hvac", ["thermo-*", "guest-7"], roles=[role("boss", ["*-boss"])]),
            segment("cameras", ["cam-*", "guest-c*"]),
        ],
        devices=[device("thermo-3", segment="site"), device("guest-3", segment="site"), device("thermo-4", "site", "")],
    )
)


@pytest.mark.parametrize(
    ("device_id", "place"),
    [
        # the globs of who owns the rest yield to every other segment's, roles included
        ("thermo-1", "hvac/"),
        ("thermo-boss", "hvac/boss"),
        ("guest-boss", "hvac/boss"),
        ("guest-c1", "cameras/"),
        ("guest-1", "site/guests"),
        ("toaster", "site/"),
        # an exact id still beats a glob, whose it may be; so does the inventory
        ("guest-7", "hvac/"),
        ("vip-1", "site/vips"),
        ("old-1", "site/"),
        ("thermo-3", "site/"),
        ("guest-3", "site/guests"),
        ("thermo-4", "site/"),
        ("-", None),
    ],
)
def test_the_segment_that_owns_the_rest_has_the_rest_of_the_devices(device_id: str, place: str | None) -> None:
    found = SLICED.placement(device_id)
    assert (f"{found.segment.name}/{found.role.name}" if found else None) == place


@pytest.mark.parametrize(
    ("taken", "example"),
    [
        (["a*"], "1"),
        (["1*"], "a"),
        (["1", "11*"], "1a"),
        (["?*"], None),
        (["*1*", "?", "??"], "aaa"),
        ([*"0123456789abcdefghijklmnopqrstuvwxyz", *(f"{c}*" for c in "ABCDEFGHIJKLMNOPQRSTUVWXY"), "1?*"], "a1"),
        ([f"{c}*" for c in "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"], "Z"),
        ([f"{c}*" for c in "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"], None),
    ],
)
def test_the_rest_has_an_example_as_long_as_one_device_is_left(taken: list[str], example: str | None) -> None:
    site = Membership(policy([segment("site", ["*"], namespace=["#"]), segment("b", taken)]))
    assert site.any_member("site") == example


@given(GLOBS, st.lists(GLOBS, max_size=4), st.lists(SHORT_IDS, max_size=3))
def test_examples_of_the_rest_are_its_own(glob: str, globs: list[str], named: list[str]) -> None:
    site = Membership(policy([segment("site", [glob], namespace=["#"]), segment("b", [*globs, *named])]))
    for ids in site.by_globs("site"):
        assert all(site.segment_of(device_id) == "site" for device_id in islice(ids, 30))


@given(GLOBS, st.lists(GLOBS, max_size=4), SHORT_IDS)
def test_a_segment_with_a_member_has_an_example(glob: str, globs: list[str], device_id: str) -> None:
    site = Membership(policy([segment("site", [glob], namespace=["#"]), segment("b", globs)]))
    if site.segment_of(device_id) == "site":
        assert site.any_member("site") is not None


def test_words_that_other_globs_match_are_left_out() -> None:
    found = list(islice(ids_of("a*", ["ab*", "*c", "a?"]), 500))
    assert len(found) == len(set(found)) == 500
    assert all(glob_matches("a*", word) for word in found)
    assert not any(glob_matches(other, word) for other in ("ab*", "*c", "a?") for word in found)


def test_a_glob_hidden_by_another_segments_glob_has_no_example() -> None:
    hidden = Membership(policy([segment("a", ["x-*"]), segment("b", ["x-1*"])]))
    assert hidden.any_member("b") is None


def test_memory_of_placements_is_bounded() -> None:
    site = Membership(policy([CAMERAS]))
    for number in range(10_000):
        assert site.segment_of(f"cam-x{number}") == "cameras"
    assert len(site._recent) <= 4_096
