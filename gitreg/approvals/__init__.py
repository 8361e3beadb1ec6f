"""Signed approvals: signatures, what is stored, giving one."""
