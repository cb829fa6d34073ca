"""`python -m rife`: the command line."""

from __future__ import annotations

from rife.cli.app import main

if __name__ == "__main__":
    main()
