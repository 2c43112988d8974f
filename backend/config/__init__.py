"""Settings, urls, asgi, celery."""
