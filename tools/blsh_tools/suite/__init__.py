"""Run the suite of blsh_suite on boards."""
