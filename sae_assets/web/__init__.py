"""The web UI: pages and a REST API on what the store holds."""
