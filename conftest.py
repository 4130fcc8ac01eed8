"""Let every folder of tests use the fixtures that the suite ships."""

pytest_plugins = ["blsh_suite.shared_fixtures"]
