"""The Voice API, users and applications, as Vonage has them: HTTPS, its JWTs, its errors, its limits."""
