"""A plain warehouse system that speaks REST, JSON-RPC, XML-RPC, SOAP and GraphQL over the same operations.

It dedupes nothing: what is posted twice is booked twice, except where an operation says otherwise.
"""

from simulators.systems.generic.system import Generic

__all__ = ["Generic"]
