"""docs/operations.md, executed: each section against the incident that it is for."""
