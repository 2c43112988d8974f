"""Django: storage, orchestration, interfaces. No mathematics."""
