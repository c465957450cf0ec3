"""One rule on one asset, pure: samples and instants in, transitions of its alarm out."""

from rules.instance.feeding import feed
from rules.instance.instance import Instance
from rules.instance.told import Situation, Told

__all__ = ["Instance", "Situation", "Told", "feed"]
