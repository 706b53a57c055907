"""``import sagemaker`` means Pegbox where that was asked for; each case in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

INSTALL = "import pegbox; pegbox.install_as_sagemaker({})\n"


def run(code: str) -> str:
    """Return what a program prints; warnings are errors in it."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "from sagemaker.tuner import HyperparameterTuner as it; from pegbox.tuner import HyperparameterTuner as ours",
        "from sagemaker.estimator import Estimator as it; from pegbox.estimator import Estimator as ours",
        "from sagemaker.sklearn import SKLearn as it; from pegbox.sklearn import SKLearn as ours",
        "from sagemaker.sklearn.estimator import SKLearn as it; from pegbox.sklearn.estimator import SKLearn as ours",
        "from sagemaker import s3_input as it, Session; from pegbox.inputs import s3_input as ours",
        "from sagemaker.inputs import TrainingInput as it; from pegbox.inputs import TrainingInput as ours",
        "import sagemaker; it = sagemaker.parameter.IntegerParameter; from pegbox.parameter import IntegerParameter as ours",
        "import sagemaker; it = sagemaker.get_execution_role; from pegbox import get_execution_role as ours",
        "import sagemaker.amazon.amazon_estimator as m; it = m.get_image_uri; from pegbox import get_image_uri as ours",
        "import sagemaker.tuner as it; import pegbox.tuner as ours",
        "from sagemaker import tuner as it; import pegbox.tuner as ours",
        "from sagemaker.utils import name_from_base as it; from pegbox._sdk.naming import name_from_base as ours",
        "from sagemaker.amazon.common import write_numpy_to_dense_tensor as it; "
        "from pegbox._sdk.recordio import write_numpy_to_dense_tensor as ours",
        "from sagemaker.amazon import common as it; import pegbox.amazon.records as ours",
        "import sagemaker.amazon.common as it; import pegbox.amazon.records as ours",
        "from sagemaker.amazon.pca import PCA as it; from pegbox import PCA as ours",
        "from sagemaker.mxnet import MXNet as it; from pegbox.mxnet import MXNet as ours",
        "from sagemaker import Model as it; from pegbox.model import Model as ours",
        "from sagemaker import KMeansModel as it; from pegbox.amazon.kmeans import KMeansModel as ours",
        "from sagemaker import production_variant as it; from pegbox.session import production_variant as ours",
        "from sagemaker.predictor import RealTimePredictor as it; from pegbox import Predictor as ours",
        "from sagemaker.amazon.common import RecordSerializer as it; from pegbox.serializers import RecordSerializer as ours",
        "from sagemaker.tensorflow.serving import Model as it; from pegbox.tensorflow import TensorFlowModel as ours",
        "from sagemaker.predictor_async import AsyncPredictor as it; from pegbox.predictor_async import AsyncPredictor as ours",
        "from sagemaker.async_inference import WaiterConfig as it; from pegbox.async_inference import WaiterConfig as ours",
        "from sagemaker.iterators import LineIterator as it; from pegbox.iterators import LineIterator as ours",
        "from sagemaker.pipeline import PipelineModel as it; from pegbox.pipeline import PipelineModel as ours",
        "from sagemaker.multidatamodel import MultiDataModel as it; "
        "from pegbox.multidatamodel import MultiDataModel as ours",
        "from sagemaker.workflow.parameters import ParameterString as it; "
        "from pegbox.workflow.parameters import ParameterString as ours",
        "from sagemaker.workflow.functions import Join as it; from pegbox.workflow.functions import Join as ours",
        "from sagemaker.content_types import CONTENT_TYPE_CSV as it; ours = 'text/csv'; assert it == ours; it = ours",
        "from sagemaker.s3 import S3Uploader as it; from pegbox.s3 import S3Uploader as ours",
        "from sagemaker.job import _Job as it; from pegbox._sdk.jobs import _Job as ours",
        "import sagemaker; assert {'PCA', 'Session', 'tuner', 'container_def'} <= set(dir(sagemaker)); it = ours = 0",
        "from sagemaker.session_settings import SessionSettings as it; "
        "from pegbox.session_settings import SessionSettings as ours; assert it().encrypt_repacked_artifacts",
        "from sagemaker.fw_utils import UploadedCode as it; from pegbox._sdk.script_code import UploadedCode as ours",
        "from sagemaker.jumpstart.enums import JumpStartTag as it; from pegbox.jumpstart.enums import JumpStartTag as ours",
        "from sagemaker.jumpstart.constants import JUMPSTART_BUCKET_NAME_SET as it; "
        "from pegbox.jumpstart.constants import JUMPSTART_BUCKET_NAME_SET as ours",
        "from sagemaker.model_monitor import DataCaptureConfig as it; "
        "from pegbox.model_monitor import DataCaptureConfig as ours",
    ],
)
def test_each_name_is_pegboxs_own(statement: str) -> None:
    """However it is imported, a name of sagemaker is the very object of Pegbox, without a warning."""
    run(INSTALL.format("") + statement + "\nassert it is ours, it")


def test_modules_keep_their_own_spec() -> None:
    """A second name changes nothing about a module: its name, spec and package stay, and it can be loaded again."""
    run(
        INSTALL.format("")
        + "import importlib, sagemaker.sklearn.estimator, sagemaker.sklearn, pegbox.sklearn\n"
        + "assert pegbox.sklearn.__name__ == pegbox.sklearn.__spec__.name == 'pegbox.sklearn'\n"
        + "assert sagemaker.sklearn is pegbox.sklearn\n"
        + "importlib.reload(pegbox.sklearn)"
    )


def test_the_aws_sdks_own_tests_import_it_from_a_checkout(tmp_path: Path) -> None:
    """Beside a folder src, src.sagemaker is the same package, not what lies in that folder."""
    folder = tmp_path / "src" / "sagemaker"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('the AWS SDK was loaded')")
    run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        + INSTALL.format("'v2'")
        + "from src.sagemaker.tuner import InstanceConfig; import src.sagemaker, sagemaker, pegbox.tuner\n"
        + "assert src.sagemaker is sagemaker and sagemaker.__version__.startswith('2.')\n"
        + "assert InstanceConfig is pegbox.tuner.InstanceConfig and src.sagemaker.tuner is pegbox.tuner\n"
        + "assert sagemaker.__name__ == sagemaker.__spec__.name == 'sagemaker'"
    )


def test_patching_reaches_pegbox() -> None:
    """A test that replaces a name of sagemaker replaces what Pegbox uses."""
    run(
        INSTALL.format("")
        + "from unittest.mock import patch; import pegbox.tuner\n"
        + "with patch('sagemaker.tuner.name_from_base') as it:\n"
        + "    assert pegbox.tuner.name_from_base is it"
    )


@pytest.mark.parametrize(("api", "release", "waits"), [("v1", "1.", False), ("v2", "2.", True)])
def test_versions(api: str, release: str, waits: bool) -> None:
    """The version chosen is the version told, and decides whether a tuner's fit waits."""
    out = run(
        INSTALL.format(repr(api))
        + "import sagemaker; from pegbox._sdk.api_version import waits_by_default\n"
        + "print(sagemaker.__version__, waits_by_default())"
    )
    version, said = out.split()
    assert version.startswith(release)
    assert said == str(waits)


def test_what_is_not_there_says_so() -> None:
    """Modules and names that Pegbox does not have fail as in Python, and say that Pegbox stands for sagemaker."""
    out = run(
        INSTALL.format("")
        + "import sagemaker\n"
        + "for code in ('import sagemaker.engine', 'import sagemaker.sklearn.nothing', 'from sagemaker import Processor',\n"
        + "             'sagemaker.Processor'):\n"
        + "    try:\n        exec(code)\n"
        + "    except (ImportError, AttributeError) as error:\n        print(type(error).__name__, error)\n"
    )
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "ModuleNotFoundError",
        "ModuleNotFoundError",
        "ImportError",
        "AttributeError",
    ]
    assert all("sagemaker" in line for line in lines)
    assert sum("Pegbox stands for" in line for line in lines) == 3


def test_refusals() -> None:
    """An unknown version is refused, and so is coming after the AWS SDK; installing twice is fine."""
    out = run(
        "import pegbox, sys, types\n"
        "try:\n    pegbox.install_as_sagemaker('v3')\nexcept ValueError as error:\n    print(error)\n"
        "sys.modules['sagemaker'] = types.ModuleType('sagemaker')\n"
        "try:\n    pegbox.install_as_sagemaker()\nexcept RuntimeError as error:\n    print(error)\n"
        "del sys.modules['sagemaker']\n"
        "pegbox.install_as_sagemaker()\nimport sagemaker\npegbox.install_as_sagemaker('v2')\n"
        "print(sagemaker.__version__, sum('compat' in type(f).__module__ for f in sys.meta_path))\n"
    )
    lines = out.splitlines()
    assert "'v3'" in lines[0]
    assert "before anything imports sagemaker" in lines[1]
    assert lines[2].startswith("2.")
    assert lines[2].endswith(" 1")
