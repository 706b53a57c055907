"""Inverses and limits of the SDK's pure parts."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import tarfile
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from hypothesis import given
from hypothesis import strategies as st

from pegbox import reporting
from pegbox._sdk.code_archive import pack
from pegbox._sdk.naming import base_name_from_image, name_from_base, numbered
from pegbox._sdk.progress import short
from pegbox._sdk.script_code import json_decoded, json_encoded
from pegbox._sdk.tuner_attach import ranges_of
from pegbox._sdk.tuner_parts import request_ranges
from pegbox._sdk.tuning_job import REPORT_PATTERN
from pegbox._sdk.waiting import training_job_summaries
from pegbox.estimator import Estimator
from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter, ParameterRange
from pegbox.sklearn import SKLearn

JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}")
SCALES = st.sampled_from(["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"])
REALS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | REALS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.text(min_size=1, max_size=80), st.integers(2, 99))
def test_generated_names_are_always_names(image: str, number: int) -> None:
    """Whatever the image is called, the generated name and its numbered forms fit the service's rule."""
    name = name_from_base(base_name_from_image(image), max_length=32, short=True)
    for candidate in (name, numbered(name, number, 32)):
        assert JOB_NAME.fullmatch(candidate), candidate


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=5))
def test_json_hyperparameters_read_back(values: dict[str, Any]) -> None:
    """What a framework estimator sends reads back as what it was given."""
    assert json_decoded(json_encoded(values)) == values


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, ParameterRange]:
    """Ranges of all kinds."""
    found: dict[str, ParameterRange] = {}
    for name in draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True)):
        kind = draw(st.sampled_from(["real", "whole", "choice"]))
        if kind == "real":
            found[name] = ContinuousParameter(*sorted([draw(REALS), draw(REALS)]), draw(SCALES))
        elif kind == "whole":
            found[name] = IntegerParameter(*sorted([draw(st.integers()), draw(st.integers())]), draw(SCALES))
        else:
            found[name] = CategoricalParameter(draw(st.lists(st.text(), min_size=1, max_size=4)))
    return found


@given(ranges())
def test_ranges_read_back_exactly(given_ranges: dict[str, ParameterRange]) -> None:
    """Sent and read back, ranges are the same for both kinds of estimators, to the last bit."""
    for estimator in (Estimator("i", sagemaker_session=Mock()), SKLearn("x.py", sagemaker_session=Mock())):
        sent = json.loads(json.dumps(request_ranges(given_ranges, estimator)))
        again = ranges_of(sent, estimator)
        assert {name: repr(item) for name, item in again.items()} == {
            name: repr(item) for name, item in given_ranges.items()
        }


@given(
    st.text(min_size=1).filter(lambda s: not set(s) & set("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")),
    st.floats(),
)
def test_printed_reports_match_the_default_pattern(name: str, value: float) -> None:
    """The line that report prints is the line that the default metric definition reads, value exact."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        reporting._print({name: value}, 7)
    match = re.search(REPORT_PATTERN.format(name=re.escape(name)), out.getvalue())
    assert match is not None
    read = float(match.group(1))
    assert read == value or (math.isnan(read) and math.isnan(value))


NAMES = st.text(st.sampled_from("abcXYZ01_-. "), min_size=1, max_size=6).filter(lambda s: s.strip(". ") == s)


@given(st.dictionaries(NAMES, st.binary(max_size=50), min_size=1, max_size=6))
def test_archives_hold_exactly_the_files(files: dict[str, bytes]) -> None:
    """Every file is in the archive with its bytes, and packing again gives the same archive."""
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: body for name, body in files.items() if not name.endswith(".pyc")}
        for name, body in {**kept, "train.py": b"x"}.items():
            Path(folder, name).write_bytes(body)
        first, second = pack("train.py", folder, []), pack("train.py", folder, [])
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(first.body)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        assert {name: file.read() for name, file in found.items() if file} == {**kept, "train.py": b"x"}


@given(st.lists(st.integers(1, 100), max_size=8))
def test_paging_reads_everything_once(sizes: list[int]) -> None:
    """However the service cuts its list, every item arrives once and in order."""
    items = [{"TrainingJobName": str(number)} for number in range(sum(sizes))]
    bounds = [sum(sizes[:count]) for count in range(len(sizes) + 1)]

    class Client:
        def list_training_jobs_for_hyper_parameter_tuning_job(self, NextToken: str = "0", **_: Any) -> Any:
            page = int(NextToken)
            if page >= len(sizes):
                return {"TrainingJobSummaries": []}
            more = {"NextToken": str(page + 1)} if page + 1 < len(sizes) else {}
            return {"TrainingJobSummaries": items[bounds[page] : bounds[page + 1]], **more}

    assert training_job_summaries(Client(), "x") == items


@given(REALS)
def test_short_numbers_stay_near(value: float) -> None:
    """Four digits are shown, never another number."""
    assert math.isclose(float(short(value)), value, rel_tol=1e-3) or value == 0
