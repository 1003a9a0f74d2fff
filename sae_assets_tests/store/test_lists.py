"""Lists hold features in the order added; "bookmarks" is always there."""

import pytest

from sae_assets.settings import UserError
from sae_assets.store.lists import (
    add_to_list,
    all_lists,
    create_list,
    delete_list,
    items_of,
    listed_features,
    lists_of,
    remove_from_list,
)

SAE = "demo/l10"


def indices(store, name: str = "bookmarks") -> list[int]:
    return [one.index for one in items_of(store, name)]


def test_bookmarks_are_there_from_the_beginning_and_stay(store):
    (row,) = all_lists(store)
    assert (row.name, row.n_items, row.created_at) == ("bookmarks", 0, None)
    assert items_of(store, "bookmarks") == []
    with pytest.raises(UserError, match="There is a list 'bookmarks' already"):
        create_list(store, "bookmarks")
    with pytest.raises(UserError, match="'bookmarks' cannot be deleted; take features out of it instead"):
        delete_list(store, "bookmarks")


def test_lists_are_named_in_order_with_their_sizes(store):
    made = create_list(store, "names 🙂", "people and places")
    create_list(store, "code")
    for index in (4, 2):
        add_to_list(store, "names 🙂", SAE, index)
    add_to_list(store, "bookmarks", SAE, 4)
    assert [(one.name, one.description, one.n_items) for one in all_lists(store)] == [
        ("bookmarks", "", 1),
        ("code", "", 0),
        ("names 🙂", "people and places", 2),
    ]
    assert all_lists(store)[2].created_at == made.created_at


def test_features_come_in_the_order_in_which_they_were_added(store):
    order = [7, 3, 9, 1, 5, 8, 2]
    for index in order:
        add_to_list(store, "bookmarks", SAE, index, f"note {index}")
    assert indices(store) == order
    before = items_of(store, "bookmarks")[1]
    add_to_list(store, "bookmarks", SAE, 3, "looked again")
    after = items_of(store, "bookmarks")[1]
    assert indices(store) == order
    assert (after.note, after.added_at) == ("looked again", before.added_at)
    remove_from_list(store, "bookmarks", SAE, 3)
    remove_from_list(store, "bookmarks", SAE, 3)
    add_to_list(store, "bookmarks", SAE, 3)
    assert indices(store) == [7, 9, 1, 5, 8, 2, 3]
    assert items_of(store, "bookmarks")[-1].note == ""


def test_features_are_known_by_their_lists(store):
    for name in ("b", "a"):
        create_list(store, name)
        add_to_list(store, name, SAE, 1)
    add_to_list(store, "bookmarks", SAE, 1)
    add_to_list(store, "a", SAE, 2)
    add_to_list(store, "a", "demo/l11", 3)
    assert lists_of(store, SAE, [1, 2, 3]) == {1: ["a", "b", "bookmarks"], 2: ["a"]}
    assert listed_features(store, "a", SAE) == {1, 2}
    assert listed_features(store, "nothing", SAE) == set()


def test_deleted_list_is_empty_when_it_is_made_again(store):
    create_list(store, "a")
    add_to_list(store, "a", SAE, 1)
    add_to_list(store, "bookmarks", SAE, 1)
    delete_list(store, "a")
    assert [one.name for one in all_lists(store)] == ["bookmarks"]
    assert lists_of(store, SAE, [1]) == {1: ["bookmarks"]}
    create_list(store, "a")
    assert items_of(store, "a") == []


@pytest.mark.parametrize(
    "use",
    [
        lambda store: add_to_list(store, "cods", SAE, 1),
        lambda store: remove_from_list(store, "cods", SAE, 1),
        lambda store: items_of(store, "cods"),
        lambda store: delete_list(store, "cods"),
    ],
)
def test_unknown_list_names_the_nearest(store, use):
    create_list(store, "code")
    with pytest.raises(UserError) as error:
        use(store)
    assert str(error.value) == "Unknown list 'cods'; the nearest is 'code'."


@pytest.mark.parametrize("name", ["", " ", "a ", "a/b", "a\nb", "a\u202eb", ".", "..", "x" * 101])
def test_name_that_cannot_be_in_an_address_is_refused(store, name):
    with pytest.raises(UserError, match="take 1 to 100 printable characters without a slash"):
        create_list(store, name)
    assert len(all_lists(store)) == 1


def test_name_is_taken_once(store):
    create_list(store, "x" * 100)
    create_list(store, "$gt")
    with pytest.raises(UserError, match=r"There is a list '\$gt' already"):
        create_list(store, "$gt")
