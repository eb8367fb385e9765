# SPDX-License-Identifier: Apache-2.0
"""Which database a sequence belongs to."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import pytest

from airflow_provider_replicator.couchdb.jobs.sequences import foreign, refuse_foreign, shards
from airflow_provider_replicator.exceptions import ConfigurationError
from tests.couchdb.jobs.recorded import FIFTY, FIVE, OTHER


def test_the_shards_are_read() -> None:
    assert len(shards(FIFTY)) == 2
    assert shards(FIFTY) & shards(FIVE)
    assert {first for first, _, _ in shards(FIFTY)} == {0, 0x80000000}
    assert all(len(uuid) == 7 for _, _, uuid in shards(FIFTY))


@pytest.mark.parametrize(
    ("sequence", "current", "is_foreign"),
    [
        (FIVE, FIFTY, False),
        (FIFTY, FIVE, False),
        (OTHER, FIFTY, True),
        (FIFTY, OTHER, True),
        ("0", FIFTY, False),
        (FIFTY, "0", False),
        (FIFTY, None, False),
        (FIFTY, 17, False),
        ("5-unreadable", FIFTY, False),
        ("5-", FIFTY, False),
    ],
)
def test_another_database_is_told_where_both_can_be_read(sequence: str, current: Any, is_foreign: bool) -> None:
    assert foreign(sequence, current) is is_foreign


def test_the_sequence_of_another_database_is_refused() -> None:
    refuse_foreign(FIVE, FIFTY, "orders")
    refuse_foreign(None, FIFTY, "orders")
    with pytest.raises(ConfigurationError, match="another database than orders"):
        refuse_foreign(OTHER, FIFTY, "orders")


def packed(term: bytes) -> str:
    return "1-" + base64.urlsafe_b64encode(term).decode().rstrip("=")


@pytest.mark.parametrize(
    "term",
    [
        b"",
        b"\x82",
        b"\x83",
        b"\x83m\0\0\0\x09short",
        b"\x83P\0\0\0\0not zlib",
        b"\x83P\0\0\0\x05" + zlib.compress(b"l\0\0\0\x01"),
        b"\x83\xff",
        b"\x83l\0\0\0\x01a\x07j",
        b"\x83l\0\0\0\x01h\x03d\0\x01nl\0\0\0\x02a\0a\x01ja\x05j",  # the old form, without uuid
    ],
)
def test_what_cannot_be_read_names_nothing(term: bytes) -> None:
    assert shards(packed(term)) == frozenset()


def test_uncompressed_terms_and_big_numbers_are_read() -> None:
    entry = (
        b"h\x03w\x01n"
        + b"l\0\0\0\x02n\x04\0\0\0\0\x80n\x04\0\xff\xff\xff\xffj"
        + b"h\x03b\0\0\x01\0m\0\0\0\x02abw\x01n"
    )
    assert shards(packed(b"\x83l\0\0\0\x01" + entry + b"j")) == {(0x80000000, 0xFFFFFFFF, b"ab")}


def test_lists_of_small_numbers_are_read() -> None:
    entry = b"h\x03w\x01nk\0\x02\x00\x7f" + b"h\x03a\x05m\0\0\0\x02abw\x01n"
    assert shards(packed(b"\x83l\0\0\0\x01" + entry + b"j")) == {(0, 127, b"ab")}


def at(node: str, uuid: bytes, first: int = 0) -> bytes:
    """A copy of a shard."""
    name = b"w" + bytes([len(node)]) + node.encode()
    return b"h\x03" + name + b"k\0\x02" + bytes([first, 127]) + b"h\x03a\x05m\0\0\0\x02" + uuid + name


def sequence(*entries: bytes) -> str:
    return packed(b"\x83l" + len(entries).to_bytes(4, "big") + b"".join(entries) + b"j")


def test_copies_on_other_nodes_have_uuids_of_their_own() -> None:
    """In a cluster, two sequences of one database may name no copy in common; that says nothing."""
    one, other = sequence(at("a", b"xx"), at("b", b"yy", 64)), sequence(at("c", b"vv"), at("a", b"ww", 64))
    assert not foreign(one, other)
    assert foreign(one, sequence(at("a", b"zz"), at("c", b"uu", 64)))
    assert not foreign(one, sequence(at("a", b"zz"), at("b", b"yy", 64)))
