"""Business systems other than Odoo, as servers that keep their contracts strictly.

SAP S/4HANA, Business Central, ERPNext, a webhook receiver, and a plain system that speaks REST, JSON-RPC, XML-RPC, SOAP and
GraphQL.

`business` is what all of them are about: orders, bookings, requests, shipments, in memory. `server` serves one of them over real
sockets and breaks requests on purpose. One module or package a system speaks its contract: addresses, tokens, headers, error
formats, queued work. `python -m simulators.systems --help` runs one by hand.
"""
