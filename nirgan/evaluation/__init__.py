"""Evaluates methods, and writes tables and pages."""
