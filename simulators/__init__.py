"""A plant, its gateways and its ERP, for demonstration and tests.

The package shares no code with the bridge and imports nothing of it: what the two agree on is only what
travels over MQTT, OPC UA and HTTP, so that a mistake in one of them cannot hide in the other. Each program
writes a truth file, the count of what really happened, against which the bridge's numbers are held.
"""
