"""Rule files: YAML -> frozen rules, every mistake of every file at once."""

from rules.rulebook.check import check_rules
from rules.rulebook.model import Rule, Rulebook
from rules.rulebook.read import load_rules, read_rules

__all__ = ["Rule", "Rulebook", "check_rules", "load_rules", "read_rules"]
