"""What readings mean: the rule language, conditions, the alarm life cycle, production accounting and the engine that runs them."""
