"""Contract test classes: what every implementation of one of datafolio's interfaces must pass.

Each is a class to subclass in a test file, with a pytest fixture that gives the implementation::

    class TestMyBackend(BackendContract):
        @pytest.fixture
        def backend(self):
            return MyBackend(...)

pytest is needed only where one of its modules is imported.
"""
