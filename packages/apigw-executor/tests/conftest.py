"""Settings of all tests."""

import hypothesis

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("gateway", deadline=None)
hypothesis.settings.load_profile("gateway")
