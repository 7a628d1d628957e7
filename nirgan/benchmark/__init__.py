"""Trains, evaluates and compares methods, by category, protocol and seed."""
