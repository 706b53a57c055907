"""The table of limits against the service model that is installed."""

from __future__ import annotations

import pytest

from pegbox.wire.limits import CHANGES, Change, as_rows, constraint_changes, quotas
from pegbox.wire.modelfile import load_models, service_description
from pegbox.wire.served import SERVED


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change.shape}-{change.constraint}")
def test_the_old_value_is_what_aws_publishes(change: Change) -> None:
    """Each row's old limit is the installed model's, so the table cannot grow stale."""
    shape = service_description(change.service)["shapes"][change.shape]
    if change.constraint == "enum":
        assert not set(change.new) & set(shape["enum"])
    else:
        assert shape[change.constraint] == change.old
    assert change.reason


def test_strict_is_the_model_untouched() -> None:
    """In strict mode no constraint of any served shape is changed; in extended mode those of the table are."""
    strict, extended = load_models(mode="strict"), load_models(mode="extended")
    assert constraint_changes("strict") == {}
    name = strict["sagemaker"].operations["CreateHyperParameterTuningJob"].input
    longer = extended["sagemaker"].operations["CreateHyperParameterTuningJob"].input
    assert name is not None
    assert longer is not None
    assert name.members["HyperParameterTuningJobName"].shape.maximum == 32
    assert longer.members["HyperParameterTuningJobName"].shape.maximum == 63


def test_every_changed_shape_is_served() -> None:
    """No row speaks of a shape that no served operation uses."""
    models = load_models(SERVED)
    for change in CHANGES:
        inputs = [op.input for op in models[change.service].operations.values() if op.input is not None]
        seen, names = list(inputs), set()
        while seen:
            shape = seen.pop()
            if shape.name not in names:
                names.add(shape.name)
                uses = [*shape.members.values(), *filter(None, (shape.member, shape.key, shape.value))]
                seen += [ref.shape for ref in uses]
        assert change.shape in names


def test_the_table_can_be_shown() -> None:
    """Every row has all its texts, and the quotas that differ are in it."""
    rows = as_rows()
    assert all(row.subject and row.used_as and row.strict and row.extended and row.reason for row in rows)
    by_subject = {row.subject: row for row in rows}
    assert by_subject["HyperParameterTuningJobName (max)"].extended == "63"
    assert by_subject["training_jobs"].strict == "750"
    assert by_subject["training_jobs"].extended == "unbounded"


def test_quotas_belong_to_a_mode() -> None:
    """Strict has AWS's quotas, extended has none on jobs, another mode does not exist."""
    assert quotas("strict").parallel_training_jobs == 10
    assert quotas("extended").parallel_training_jobs is None
    with pytest.raises(ValueError, match="extended, strict"):
        quotas("loose")
