"""`python -m rlef` is the command `rlef`."""

from rlef.cli import main

main()
