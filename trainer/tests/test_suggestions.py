# SPDX-License-Identifier: Apache-2.0
"""Suggestions for names with a typing error."""

from blsh_trainer.suggestions import closest, did_you_mean, unknown


def test_the_closest_name_is_suggested_and_nothing_where_none_is_close() -> None:
    assert did_you_mean("intercmo", ("intercom", "intercom-small", "phone")) == ", did you mean intercom?"
    assert did_you_mean("INTERCOM", ("intercom", "phone")) == ", did you mean intercom?", "case does not matter"
    assert did_you_mean("radio", ("intercom", "phone")) == ""
    assert did_you_mean("radio", ()) == ""


def test_names_that_are_equally_close_are_all_suggested() -> None:
    assert sorted(closest("mps2-an38", ("mps2-an385", "mps2-an386", "mps2-an500"))) == ["mps2-an385", "mps2-an386"]


def test_an_unknown_name_is_told_with_what_there_is() -> None:
    assert unknown("fixd", {"float": 1, "fixed": 2}) == "is unknown, did you mean fixed?; choose one of float, fixed"
    assert unknown("cloud", ["float", "fixed"]) == "is unknown; choose one of float, fixed"
