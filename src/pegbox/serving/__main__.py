"""Start of a model server: ``python .../pegbox/serving/__main__.py --socket PATH --model-dir DIR [...]``.

It runs from its file in an interpreter that may not have Pegbox: the room is made importable under a private name.
"""

import sys


def _prepare_imports() -> None:
    """Make this folder a package of a name that nobody else uses, and take it off the module path."""
    folder = __file__.rsplit("/", 1)[0]
    sys.path[:] = [path for path in sys.path if path != folder]
    package = type(sys)("pegbox_model_server")
    package.__path__ = [folder]  # type: ignore[attr-defined,unused-ignore]
    sys.modules["pegbox_model_server"] = package


if __name__ == "__main__":
    _prepare_imports()
    from pegbox_model_server.program import main  # type: ignore[import-not-found,unused-ignore]

    sys.exit(main(sys.argv[1:]))
