"""Scripts that say ``import sagemaker`` run on Pegbox, unchanged and without the AWS SDK being installed.

``install_as_sagemaker()`` lets ``sagemaker`` and its modules stand for Pegbox's in this process. Each module is the very
module of Pegbox, under a second name, so that a class has one identity however it was imported.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from pegbox._sdk import api_version

__all__ = ["install_as_sagemaker"]

_NAME = "sagemaker"
#: How the AWS SDK's own tests name it from a checkout, where ``src`` is a folder.
_IN_CHECKOUT = "src.sagemaker"
#: First parts of the modules that have the same name in both packages.
_SAME = frozenset(
    {
        "amazon",
        "analytics",
        "async_inference",
        "chainer",
        "content_types",
        "deserializers",
        "estimator",
        "exceptions",
        "image_uris",
        "inputs",
        "iterators",
        "jumpstart",
        "model",
        "model_monitor",
        "multidatamodel",
        "mxnet",
        "parameter",
        "pipeline",
        "predictor",
        "predictor_async",
        "pytorch",
        "s3",
        "serializers",
        "session",
        "session_settings",
        "sklearn",
        "tensorflow",
        "tuner",
        "workflow",
        "xgboost",
    }
)
#: Modules that are kept elsewhere here.
_ELSEWHERE = {
    "amazon.common": "pegbox.amazon.records",
    "fw_utils": "pegbox._sdk.script_code",
    "job": "pegbox._sdk.jobs",
    "utils": "pegbox._sdk.naming",
}


def install_as_sagemaker(api: str = "v1") -> None:
    """Let ``import sagemaker`` mean Pegbox in this process. Call it before anything imports ``sagemaker``.

    Args:
        api: ``v1`` or ``v2``: which version of the AWS SDK the scripts were written for. Names of both are there in
            either case; with ``v2`` a tuner's ``fit`` waits unless ``wait=False``, and ``sagemaker.__version__`` is one
            of version 2.

    Raises:
        ValueError: ``api`` is neither.
        RuntimeError: The AWS SDK is loaded already.
    """
    loaded = sys.modules.get(_NAME)
    if loaded is not None and not isinstance(loaded, _Package):
        raise RuntimeError(
            "the AWS SDK is loaded already; call install_as_sagemaker() before anything imports sagemaker, or start the "
            "script with: pegbox run script.py"
        )
    api_version.choose(api)
    api_version.stand_for_sagemaker()
    if loaded is not None:
        loaded.__version__ = api_version.release()
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Package(ModuleType):
    """``sagemaker`` itself: Pegbox's public names and modules, and a version of its own."""

    __version__: str

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {_NAME!r} has no attribute {name!r}")
        import pegbox

        if _home_of(name) is not None:
            return importlib.import_module(f"{_NAME}.{name}")
        if name in dir(pegbox):
            return getattr(pegbox, name)
        raise AttributeError(
            f"module {_NAME!r} has no attribute {name!r}: Pegbox stands for it in this process, and does not offer that name"
        )

    def __dir__(self) -> list[str]:
        import pegbox

        own = {name for name in dir(pegbox) if not name.startswith("_")}
        return sorted({*own, *_SAME, *_ELSEWHERE, *self.__dict__})


class _Finder(MetaPathFinder):
    """Finds ``sagemaker`` and its modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of ``sagemaker``; None for all others.

        Raises:
            ModuleNotFoundError: Pegbox has no such module.
        """
        if fullname == _NAME:
            return ModuleSpec(fullname, _PackageLoader(), is_package=True)
        if fullname == _IN_CHECKOUT:
            return ModuleSpec(fullname, _AliasLoader(importlib.import_module(_NAME)), is_package=True)
        fullname = fullname.removeprefix("src.") if fullname.startswith(_IN_CHECKOUT + ".") else fullname
        if not fullname.startswith(_NAME + "."):
            return None
        home = _home_of(fullname[len(_NAME) + 1 :])
        words = f"Pegbox stands for {_NAME} in this process, and has no module {fullname!r}"
        if home is None:
            raise ModuleNotFoundError(words, name=fullname)
        try:
            module = importlib.import_module(home)
        except ModuleNotFoundError as error:
            if error.name != home:
                raise
            raise ModuleNotFoundError(words, name=fullname) from None
        return ModuleSpec(fullname, _AliasLoader(module), is_package=hasattr(module, "__path__"))


class _PackageLoader(Loader):
    """Makes ``sagemaker``."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the package."""
        return _Package(spec.name, "Pegbox under the name of the AWS SDK; see pegbox.compat.")

    def exec_module(self, module: ModuleType) -> None:
        """Give it its version."""
        setattr(module, "__version__", api_version.release())  # noqa: B010


class _AliasLoader(Loader):
    """Gives a loaded module a second name; it keeps what it knows of itself."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module."""
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Give it back its own spec, which the import system has just replaced."""
        module.__spec__ = self._spec


def _home_of(name: str) -> str | None:
    """Return the module of Pegbox for a dotted name below ``sagemaker``, or None."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    return f"pegbox.{name}" if name.partition(".")[0] in _SAME else None
