"""Transforms before quantization."""
