"""Start of the agent process: ``python -I -S .../pegbox/agent/__main__.py --socket PATH --agent-id ID --token-fd N``.

It runs without ``site``: import paths are set by hand, and ``pegbox/__init__.py`` is not run.
"""

import sys


def _prepare_imports() -> None:
    """Make ``pegbox.agent`` importable without running the package's own ``__init__``."""
    package = __file__.rsplit("/", 2)[0]
    if "pegbox" not in sys.modules:
        light = type(sys)("pegbox")
        light.__path__ = [package]
        sys.modules["pegbox"] = light


if __name__ == "__main__":
    _prepare_imports()
    from pegbox.agent.driver import main

    sys.exit(main(sys.argv[1:]))
