"""The map of names: its shape follows from its contents, and nothing is read or written that need not be."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datafolio.digest import digest_of
from datafolio.errors import FormatError, MissingObjectError
from datafolio.store import tree
from datafolio.store.model import Entry, Node, Ref, decode, encode
from datafolio.store.tree import Tree
from tests.store.plumbing import small_nodes

NAMES = st.integers(0, 150).map("name{}".format)
EDITS = st.dictionaries(NAMES, st.none() | st.integers(0, 2), max_size=80)


class Nodes:
    """Stored nodes, and a count of those read."""

    def __init__(self):
        self.stored = {}
        self.reads = 0

    def load(self, digest):
        self.reads += 1
        return decode(self.stored[digest], Node, "a node")

    def empty(self):
        return Tree(int, self.load)

    def save(self, tree):
        """The tree, with what it needs stored; the number of nodes that took."""
        pending = tree.pending()
        self.stored |= pending
        return tree.stored()

    def of(self, contents):
        return self.save(self.empty().edit(contents))

    def needed(self, tree):
        """The nodes below the root."""
        found, waiting = set(), list(tree.root.refs)
        while waiting:
            ref = waiting.pop()
            found.add(ref.digest)
            waiting.extend(tree.load(ref.digest).refs)
        return found


def apply(contents, edits):
    """What a dict makes of the edits of a tree."""
    return {name: value for name, value in {**contents, **edits}.items() if value is not None}


def random_contents(count, seed=1):
    dice = random.Random(seed)
    return {f"item {dice.getrandbits(64):x}": number for number in range(count)}


@settings(max_examples=150)
@given(st.lists(EDITS, max_size=8))
def test_equal_contents_give_equal_digests_whatever_the_edits_were(history):
    with small_nodes():
        nodes, contents = Nodes(), {}
        edited = nodes.empty()
        for edits in history:
            edited = nodes.save(edited.edit(edits))
            contents = apply(contents, edits)
            at_once = nodes.of(contents)
            assert edited.digest() == at_once.digest()
            assert edited.root == at_once.root


@settings(max_examples=150)
@given(st.lists(EDITS, max_size=6))
def test_edits_that_were_not_stored_in_between_give_the_same_map(history):
    with small_nodes():
        nodes, contents = Nodes(), {}
        edited = nodes.empty()
        for edits in history:
            edited = edited.edit(edits)
            contents = apply(contents, edits)
        assert dict(edited.items()) == contents
        assert nodes.save(edited).digest() == nodes.of(contents).digest()
        assert dict(edited.stored().items()) == contents


@settings(max_examples=100)
@given(st.dictionaries(NAMES, st.integers(), max_size=120), st.randoms(use_true_random=False))
def test_the_order_and_grouping_of_edits_leave_no_trace(contents, dice):
    with small_nodes():
        nodes = Nodes()
        names = sorted(contents)
        dice.shuffle(names)
        edited = nodes.empty()
        while names:
            several = dice.randint(1, 20)
            group, names = names[:several], names[several:]
            edited = nodes.save(edited.edit({name: contents[name] for name in group}))
        assert edited.digest() == nodes.of(contents).digest()


@settings(max_examples=150)
@given(EDITS, EDITS)
def test_a_map_agrees_with_a_dict(first, second):
    with small_nodes():
        nodes = Nodes()
        contents = apply(apply({}, first), second)
        edited = nodes.save(nodes.save(nodes.empty().edit(first)).edit(second))
        assert len(edited) == len(contents)
        assert edited.names() == sorted(contents)
        assert edited.items() == sorted(contents.items())
        for name in (*first, *second, "no such name"):
            assert edited.get(name) == contents.get(name)
            assert (name in edited) == (name in contents)


@settings(max_examples=150)
@given(st.dictionaries(NAMES, st.integers(0, 2)), EDITS)
def test_a_diff_agrees_with_that_of_dicts(before, edits):
    with small_nodes():
        nodes = Nodes()
        after = apply(before, edits)
        changes = nodes.of(before).diff(nodes.of(after))
        assert [change.name for change in changes] == sorted(change.name for change in changes)
        assert {change.name: (change.before, change.after) for change in changes} == {
            name: (before.get(name), after.get(name))
            for name in before.keys() | after.keys()
            if before.get(name) != after.get(name)
        }


@settings(max_examples=150)
@given(st.dictionaries(NAMES, st.integers(0, 2), max_size=100), EDITS)
def test_pending_is_what_the_edit_made_and_no_more(before, edits):
    with small_nodes():
        nodes = Nodes()
        stored = nodes.of(before)
        edited = stored.edit(edits)
        pending = edited.pending()
        assert set(pending) == nodes.needed(edited) - nodes.needed(stored)
        assert all(digest_of(data) == digest for digest, data in pending.items())


@settings(max_examples=100)
@given(st.dictionaries(NAMES, st.integers(0, 2), max_size=100), st.lists(EDITS, max_size=6))
def test_nodes_that_later_edits_replaced_are_never_stored(before, history):
    with small_nodes():
        nodes = Nodes()
        edited = nodes.of(before)
        for edits in history:
            edited = edited.edit(edits)
        assert set(edited.pending()) <= nodes.needed(edited)


def test_a_map_whose_nodes_are_all_stored_has_nothing_pending():
    with small_nodes():
        nodes = Nodes()
        contents = random_contents(100)
        stored = nodes.of(contents)
        assert stored.pending() == {}
        assert stored.edit({}).pending() == {}
        assert stored.edit(dict.fromkeys(contents, 1)).stored().pending() == {}


def test_an_edit_leaves_the_map_it_started_from_as_it_was():
    with small_nodes():
        nodes = Nodes()
        contents = random_contents(100)
        first = nodes.of(contents)
        nodes.save(first.edit(dict.fromkeys(list(contents)[:70])))
        assert first.items() == sorted(contents.items())


def test_removing_every_name_gives_the_empty_map():
    with small_nodes():
        nodes = Nodes()
        contents = random_contents(200)
        emptied = nodes.of(contents).edit(dict.fromkeys(contents))
        assert emptied.digest() == nodes.empty().digest()
        assert len(emptied) == 0
        assert emptied.pending() == {}


def test_two_thousand_names_with_the_real_limits():
    nodes = Nodes()
    contents = random_contents(2000)
    whole = nodes.of(contents)
    assert whole.root.level == 1
    assert whole.items() == sorted(contents.items())
    dice = random.Random(2)
    gone = dice.sample(sorted(contents), 1950)
    edited = whole
    for start in range(0, len(gone), 130):
        edited = nodes.save(edited.edit(dict.fromkeys(gone[start : start + 130])))
    left = {name: value for name, value in contents.items() if name not in set(gone)}
    assert edited.root.level == 0
    assert edited.digest() == nodes.of(left).digest()
    again = nodes.save(edited.edit({name: contents[name] for name in gone}))
    assert again.digest() == whole.digest()


def test_a_map_of_up_to_the_limit_is_one_node_and_one_more_splits_it():
    nodes = Nodes()
    contents = random_contents(tree.LEAF_LIMIT)
    full = nodes.of(contents)
    assert (full.root.level, full.pending()) == (0, {})
    split = nodes.of({**contents, "one more": 1})
    assert split.root.level == 1
    assert nodes.save(split.edit({"one more": None})).root == full.root


def test_no_leaf_and_no_node_is_over_its_limit():
    with small_nodes(4, 6):
        nodes = Nodes()
        big = nodes.of(random_contents(700))
        assert big.root.level >= 3
        for node in [big.root, *(big.load(digest) for digest in nodes.needed(big))]:
            assert len(node.entries) <= 4
            assert len(node.refs) <= 6


def test_refs_tell_what_is_below_them():
    with small_nodes():
        nodes = Nodes()
        big = nodes.of(random_contents(300))
        _check_refs(big, big.root)
        assert len(big) == 300


def _check_refs(tree, node):
    prefixes = [ref.prefix for ref in node.refs]
    assert prefixes == sorted(prefixes)
    for ref in node.refs:
        child = tree.load(ref.digest)
        assert child.level == node.level - 1
        assert ref.weight == len(child.refs or child.entries)
        assert ref.count == len(Tree(int, tree.load, child))
        for name in Tree(int, tree.load, child).names():
            assert format(int(digest_of(name.encode()), 16), "0256b").startswith(ref.prefix)
        _check_refs(tree, child)


def test_a_diff_of_ten_among_twenty_thousand_reads_only_what_differs():
    nodes = Nodes()
    contents = random_contents(20_000)
    first = nodes.of(contents)
    changed = random.Random(3).sample(sorted(contents), 10)
    second = nodes.save(first.edit(dict.fromkeys(changed, -1)))
    nodes.reads = 0
    assert [change.name for change in first.diff(second)] == sorted(changed)
    # One node a level and change on either side, of the hundreds there are.
    assert nodes.reads <= 2 * 10 * first.root.level
    assert len(nodes.needed(first)) > 300


def test_a_diff_of_equal_maps_reads_nothing():
    nodes = Nodes()
    contents = random_contents(5000)
    first, second = nodes.of(contents), nodes.of(contents)
    nodes.reads = 0
    assert first.diff(second) == []
    assert nodes.reads == 0


def test_one_edit_writes_a_few_nodes_a_level():
    with small_nodes(8, 8):
        nodes = Nodes()
        contents = random_contents(3000)
        big = nodes.of(contents)
        levels = big.root.level
        assert levels <= math.log2(3000)
        written = [len(big.edit({name: -1}).pending()) for name in list(contents)[:200]]
        # The root is not among them: it stands in the record.
        assert set(written) == {levels}
        added = [len(big.edit({f"new {number}": 1}).pending()) for number in range(200)]
        assert max(added) <= 3 * levels
        assert sum(added) <= 1.6 * levels * len(added)


def test_one_edit_reads_no_more_than_the_way_to_its_leaf():
    nodes = Nodes()
    contents = random_contents(20_000)
    big = nodes.of(contents)
    nodes.reads = 0
    big.edit({next(iter(contents)): -1})
    big.get(next(iter(contents)))
    assert nodes.reads <= 2 * big.root.level


def test_salted_edits_have_the_contents_and_shape_of_others_and_digests_of_their_own():
    with small_nodes():
        nodes = Nodes()
        contents = random_contents(150)
        plain = nodes.of(contents)
        salted = nodes.save(nodes.empty().edit(contents, salt="1"))
        assert salted.items() == plain.items()
        assert _shape(salted, salted.root) == _shape(plain, plain.root)
        assert not nodes.needed(salted) & nodes.needed(plain)
        assert salted.nodes_not_in(plain) == nodes.needed(salted)
        assert not nodes.needed(salted) & nodes.needed(nodes.save(nodes.empty().edit(contents, salt="2")))


def _shape(tree, node):
    return [(ref.prefix, ref.weight, ref.count, _shape(tree, tree.load(ref.digest))) for ref in node.refs]


@settings(max_examples=100)
@given(st.dictionaries(NAMES, st.integers(0, 2), max_size=100), EDITS)
def test_the_nodes_that_another_map_lacks_are_named(before, edits):
    with small_nodes():
        nodes = Nodes()
        first = nodes.of(before)
        second = nodes.save(first.edit(edits))
        assert first.nodes_not_in(second) >= nodes.needed(first) - nodes.needed(second)
        assert first.nodes_not_in(second) <= nodes.needed(first)
        assert first.nodes_not_in(first) == set()


def test_names_of_any_script_and_length_find_their_place():
    nodes = Nodes()
    names = ["", "ä", "名前", "🦆" * 50, "a/b", "$ref", "0" * 255, *(chr(0x100 + number) for number in range(200))]
    contents = {name: number for number, name in enumerate(names)}
    stored = nodes.of(contents)
    assert all(stored.get(name) == number for name, number in contents.items())


def test_fields_that_this_version_does_not_know_stay_in_entries_that_are_not_edited():
    raw = b'{"kind":"node","entries":{"a":{"type":"json","new":[1]},"b":{"type":"json","new":[2]}}}'
    root = decode(raw, Node, "a node")
    edited = Tree(dict, lambda _digest: Node(), root).edit({"b": {"type": "csv"}})
    assert edited.get("a") == {"type": "json", "new": [1]}
    assert b'"new":[1]' in encode(edited.root)


def test_a_missing_node_is_an_error_for_the_names_below_it_alone():
    with small_nodes():
        nodes = Nodes()
        contents = random_contents(40)
        stored = nodes.of(contents)
        ref = stored.root.refs[0]
        below = set(Tree(int, nodes.load, nodes.load(ref.digest)).names())

        def load(digest):
            if digest == ref.digest:
                raise MissingObjectError("gone")
            return nodes.load(digest)

        damaged = Tree(int, load, stored.root)
        for name, value in contents.items():
            if name in below:
                with pytest.raises(MissingObjectError):
                    damaged.get(name)
            else:
                assert damaged.get(name) == value


def test_an_entry_of_another_form_is_refused_by_name():
    root = decode(b'{"kind":"node","entries":{"flights":{"type":1}}}', Node, "a node")
    with pytest.raises(FormatError, match="flights"):
        Tree(Entry, lambda _digest: Node(), root).get("flights")


def test_a_node_of_the_wrong_level_is_refused():
    leaf = Node(entries={})
    root = Node(level=2, refs=(Ref("", 0, 0, digest_of(encode(leaf))),))
    with pytest.raises(FormatError, match="level 2 refers to one of level 0"):
        Tree(int, lambda _digest: leaf, root).names()
