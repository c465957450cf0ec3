"""The `amor` command: one subcommand a process, and those for people.

Only this package knows all the others. Heavy imports happen inside the commands, so that `amor --help` is quick.
"""

from bridge.cli.app import main

__all__ = ["main"]
