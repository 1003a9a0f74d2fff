"""Asking by OpenAI's Batch API: at half the price, answered within a day, and no prompt sent twice.

The source of what the API does is OpenAI's own reference of it (platform.openai.com, "Batch").
"""
