"""`python -m bridge.cli` is `amor`."""

from bridge.cli.app import main

main()
