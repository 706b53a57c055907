"""``python -m pegbox.algorithms NAME [train]``."""

from __future__ import annotations

import sys

from pegbox.algorithms.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
