"""The API, and the web page for everything else."""
urlpatterns: list = []
