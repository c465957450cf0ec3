"""Production accounting, pure: what tags say of states, pieces and orders."""
