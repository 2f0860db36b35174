"""The audit trail of the aggregator (see `assay_runtime.audit`)."""

from typing import Final

from assay_runtime.audit import AuditEvent as AuditEvent
from assay_runtime.audit import AuditFilter as AuditFilter
from assay_runtime.audit import AuditTrail

TRAIL: Final = AuditTrail("aggregator")
QUERIES: Final = TRAIL.queries
record = TRAIL.record
events = TRAIL.events
reach = TRAIL.reach
