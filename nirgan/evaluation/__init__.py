"""Judging methods, and writing down what came out."""
