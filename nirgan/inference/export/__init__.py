"""Exports models as programs for ONNX Runtime and torch."""
