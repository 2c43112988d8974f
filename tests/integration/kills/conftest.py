"""Assertions of the platform's hands tell their figures, as those of a test do."""

import pytest

pytest.register_assert_rewrite("running_platform")
