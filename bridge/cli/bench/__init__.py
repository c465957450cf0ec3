"""`amor bench`: how fast this machine takes readings in, each figure beside the limit that the same run measured."""
