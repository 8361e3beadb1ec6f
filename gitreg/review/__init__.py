"""Reviewed promotions: pull requests, hosts, workflows, code owners."""
