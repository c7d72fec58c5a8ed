# SPDX-License-Identifier: Apache-2.0
"""The tables: what fits into them, and what an operator is promised to find."""

import pytest
from sqlalchemy import String

from watcher.core import states
from watcher.db import models
from watcher.db.models import ActionPlan, Audit, Base, cut

PROMISED = {
    "goals": "id uuid name display_name efficacy_specification",
    "strategies": "id uuid name display_name goal_id parameters_spec",
    "audit_templates": "id uuid name description goal_id strategy_id scope default_parameters",
    "audits": "id uuid name audit_type state parameters interval goal_id strategy_id scope "
    "auto_trigger next_run_time hostname start_time end_time force status_message",
    "action_plans": "id uuid audit_id strategy_id state global_efficacy hostname status_message",
    "actions": "id uuid action_plan_id action_type input_parameters state parents status_message",
    "efficacy_indicators": "id uuid name description unit value action_plan_id",
    "scoring_engines": "id uuid name description metainfo",
    "services": "id name host last_seen_up",
    "action_descriptions": "id action_type description",
    "leases": "id resource shared action_plan_id",
    "locks": "id name",
}
"""Columns by contract commands §9, beside those that all tables have; two tables are ours."""


@pytest.mark.parametrize("table", PROMISED)
def test_every_promised_column_is_there(table):
    columns = set(Base.metadata.tables[table].columns.keys())
    assert columns >= set(PROMISED[table].split())
    assert columns >= {"created_at", "updated_at", "deleted_at", "deleted"}


def test_no_table_is_without_promise():
    assert set(Base.metadata.tables) == set(PROMISED)


@pytest.mark.parametrize(("model", "lifecycle"), models.LIFECYCLES.items())
def test_every_state_fits_its_column(model, lifecycle):
    length = model.__table__.c.state.type.length
    assert max(map(len, lifecycle.states)) <= length


@pytest.mark.parametrize(("model", "lifecycle"), models.LIFECYCLES.items())
def test_a_new_row_begins_in_a_state_that_nothing_leads_to_but_a_return(model, lifecycle):
    first = model.__table__.c.state.default.arg
    assert first in lifecycle.states
    assert lifecycle.sources(first) <= {"ONGOING"}


def test_every_lifecycle_has_its_table():
    assert tuple(models.LIFECYCLES.values()) == states.LIFECYCLES


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (None, None),
        ("", ""),
        ("x" * 255, "x" * 255),
        ("x" * 256, "x" * 254 + "…"),
    ],
)
def test_a_message_is_cut_to_its_column(text, kept):
    assert cut(text) == kept
    assert Audit(status_message=text).status_message == kept


def test_names_and_uuids_have_the_promised_lengths():
    for table in Base.metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, String) and column.name in ("uuid", "name"):
                promised = 36 if column.name == "uuid" else 63
                assert column.type.length == (255 if table.name == "services" else promised)


def test_a_relationship_never_queries_by_itself():
    for mapper in Base.registry.mappers:
        assert {relation.lazy for relation in mapper.relationships} <= {"raise"}
    assert ActionPlan.indicators.property.uselist


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (models.Goal, "Goal"),
        (models.ActionPlan, "Action plan"),
        (models.AuditTemplate, "Audit template"),
        (models.ScoringEngine, "Scoring engine"),
    ],
)
def test_a_row_is_named_in_words(model, words):
    assert model.called() == words
