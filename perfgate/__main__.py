"""`python -m perfgate` is `perfgate`."""

from perfgate.cli import main

main()
