"""Kopf's handlers: arguments in, one call out."""
