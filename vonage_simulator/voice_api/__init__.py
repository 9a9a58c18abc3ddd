"""Vonage's Voice, Users and Application APIs: HTTPS, JWTs, errors and limits as Vonage has them."""
