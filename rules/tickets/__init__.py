"""What becomes of a ticket after a rule has opened it: its life cycle, its evidence, its clocks, and what people say of it."""
