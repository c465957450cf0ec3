"""SAP S/4HANA by its OData V2 APIs, as far as a plant posts to it.

CSRF tokens with session cookies, ETag and If-Match, RequestID with RepeatabilityCreation, deep insert, and Gateway's error
documents. What SAP lets pass passes here: a reference document may be used twice.
"""

from simulators.systems.sap_s4.system import SapS4

__all__ = ["SapS4"]
