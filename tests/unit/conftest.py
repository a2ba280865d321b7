"""What unit tests share."""

from hypothesis import settings

# The same examples in each run, however slow the machine is: no test fails that did not fail before.
settings.register_profile("kvmkit", deadline=None, derandomize=True, database=None)
settings.load_profile("kvmkit")
