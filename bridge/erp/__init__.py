"""Business systems: what a connector is (`connector`), which there are (`connectors`), and the relay that feeds them (`relay`)."""
