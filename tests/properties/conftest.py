"""How many examples a property is tried with: 25, or 200 with ``--hypothesis-profile=full``."""

from hypothesis import HealthCheck, settings

_BOTH = {"derandomize": True, "deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=25, **_BOTH)
settings.register_profile("full", max_examples=200, **_BOTH)
settings.load_profile("quick")
