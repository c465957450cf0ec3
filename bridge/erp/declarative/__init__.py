"""Any endpoint that a TOML file describes: REST, JSON-RPC, XML-RPC, SOAP, GraphQL.

`description` is the file, `template` its placeholders, `values` what an event fills them with, `protocols` how a filled request goes
out and what an answer means, `connector` the rest. No text of an event is ever parsed: it becomes a JSON value, an XML text
node, or an escaped part of an address.
"""

from bridge.erp.declarative.connector import Declarative

__all__ = ["Declarative"]
