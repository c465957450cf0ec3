"""The simulated plant: two lines of three machines, one speaking MQTT JSON, the other OPC UA.

`python -m simulators.plant --help` lists what can be set. `layout` says which machines and tags there are,
`flow` moves pieces and orders through them in simulated time, `sampling` measures gauges, `mqtt_line` and
`opcua_line` publish, `truth` counts.
"""
