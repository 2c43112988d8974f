"""Read-only assembly of figures."""
