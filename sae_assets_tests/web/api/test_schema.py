"""The API under what schemathesis makes up from its own description: nothing fails, and answers are as described."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sae_assets.settings import MongoDBConfig
from sae_assets.store.explanations import write_by_hand
from sae_assets.web.app import create_app
from sae_assets.web.server import opened_context
from sae_assets_tests.store.results import attribute, made_up, publish, sae_document
from sae_assets_tests.web.conftest import Web
from sae_assets_tests.web.serving import serving

EXAMPLES = 40
"""Requests made up for each operation, each sent as it is and with names that exist."""
SERIES, NAME = "demo", "smollm2-l10"
NAMES = {"series": SERIES, "name": NAME, "analysis": "default", "list_name": "bookmarks"}
load_all_checks()
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def api_schema(web: Web) -> Iterator[BaseSchema]:
    """The description of a server on a database of its own, which may be filled with anything."""
    cfg = MongoDBConfig(mongo_db="made_up_requests")
    with opened_context(cfg, web.project.data) as context:
        result = made_up()
        publish(context.store, result, sae_document(NAME, SERIES))
        attribute(context.store, result, f"{SERIES}/{NAME}")
        write_by_hand(context.store, f"{SERIES}/{NAME}", "default", 17, "an explanation")
        with serving(create_app(context)) as url:
            yield schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json")


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_request_right_or_wrong_is_answered_as_described(api_schema: BaseSchema, mode: GenerationMode):
    operations = [found.ok() for found in api_schema.get_all_operations()]  # pyright: ignore[reportAttributeAccessIssue]
    assert len(operations) == sum(len(methods) for methods in api_schema.raw_schema["paths"].values())
    n_sent = sum(_try(operation, mode) for operation in operations)
    assert n_sent > EXAMPLES * len(operations) / 2


def _try(operation: APIOperation, mode: GenerationMode) -> int:
    """Sends requests to one operation; gives how many."""
    n_sent = 0

    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        database=None,
    )
    def holds(case: Case) -> None:
        nonlocal n_sent
        n_sent += 1
        case.call_and_validate(checks=CHECKS)
        known = {name: NAMES.get(name, value) for name, value in case.path_parameters.items()}
        if known != case.path_parameters:
            case.path_parameters = known
            case.call_and_validate(checks=CHECKS)

    with suppress(Unsatisfiable):  # any text is right where an operation takes names only
        holds()
    return n_sent
