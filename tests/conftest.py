"""What holds for every test of the project."""

import hypothesis

# A deadline measures the machine, not the code; and a run on main must not fail by the luck of a seed.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.load_profile("project")
