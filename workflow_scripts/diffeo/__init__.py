"""Stability of deep nets to smooth deformations: pure functions on tensors and arrays, one module per concept."""
