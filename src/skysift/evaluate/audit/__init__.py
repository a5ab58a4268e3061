"""The leakage audit: what tells the class of a row without being nature."""

from skysift.evaluate.audit.findings import AuditFinding, AuditReport, Severity, finding_rows
from skysift.evaluate.audit.images import audit_images
from skysift.evaluate.audit.runner import audit

__all__ = ["AuditFinding", "AuditReport", "Severity", "audit", "audit_images", "finding_rows"]
