"""The REST API under `/api/v1`: thin rims around `operations`, one file a subject."""
