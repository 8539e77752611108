"""What holds for every test."""

from hypothesis import settings

# why: no test is timed, and a first example that imports a large library would fail by the clock on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
