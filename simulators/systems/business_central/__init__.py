"""Business Central: OAuth 2 tokens that expire, OData V4, journal lines that are entered and then posted, its error documents.

Standard pages are those of API v2.0; the pages of production are a tenant's own, as docs/connectors/business_central.md describes them. A
journal line vanishes when it is posted; posting one that is not there answers 404. A change needs `If-Match`. Lists come in pages
of the server's (`@odata.nextLink`), and from a replica that may be behind, unless the request asks for the database itself.
"""

from simulators.systems.business_central.pages import MACHINES
from simulators.systems.business_central.system import COMPANY, BusinessCentral
from simulators.systems.oauth import CLIENT, SECRET

__all__ = ["CLIENT", "COMPANY", "MACHINES", "SECRET", "BusinessCentral"]
