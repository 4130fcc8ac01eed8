# SPDX-License-Identifier: Apache-2.0
"""Let every folder of tests use the fixtures and markers that the suite ships."""

pytest_plugins = ["blsh_suite.shared_fixtures"]
