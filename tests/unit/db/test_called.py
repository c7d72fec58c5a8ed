# SPDX-License-Identifier: Apache-2.0
"""What people call the rows."""

import pytest

from watcher.db import models


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
