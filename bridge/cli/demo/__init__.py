"""`amor demo`: the whole path on this machine, and the comparison of its ledgers at the end."""
