"""Mistakes of the user come from a worker as they are, whatever their class takes to be made."""

import importlib
import inspect
import pickle
import pkgutil
from typing import Any, get_type_hints

import pytest
from upath import UPath

import sae_assets
from sae_assets.settings import UserError

ARGUMENTS: dict[Any, Any] = {int: 7, str: "a name", UPath: UPath("a/path")}


def kinds_of_error() -> list[type[UserError]]:
    for module in pkgutil.walk_packages(sae_assets.__path__, "sae_assets."):
        importlib.import_module(module.name)
    found, kinds = [UserError], []
    while found:
        kinds.append(found.pop())
        found += kinds[-1].__subclasses__()
    return [kind for kind in kinds if kind.__module__.startswith("sae_assets.")]


def example(kind: type[UserError]) -> UserError:
    if "__init__" not in vars(kind):
        return kind("One sentence.")
    hints = get_type_hints(kind.__init__)
    return kind(*(ARGUMENTS[hints[name]] for name in list(inspect.signature(kind.__init__).parameters)[1:]))


@pytest.mark.parametrize("kind", kinds_of_error(), ids=lambda kind: kind.__name__)
def test_error_is_the_same_after_pickling(kind):
    error = example(kind)
    error.add_note("where it was")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) != ""
    assert vars(again) == vars(error)
