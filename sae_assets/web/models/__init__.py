"""What the API gives and takes, as pydantic models; the pages are rendered from the same."""
