"""``python -m pegbox.cli``."""

from pegbox.cli import main

if __name__ == "__main__":
    main()
