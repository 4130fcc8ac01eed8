# SPDX-License-Identifier: Apache-2.0
"""Progress that is reported under another name."""

from blsh_trainer.progress import named, named_within


def test_work_is_told_under_the_name_that_it_is_given():
    seen = []
    tell = named(lambda *call: seen.append(call), "scoring")
    tell("mixing", 1, 2)
    named_within(tell, "seed 3")("learning bits", 2, 2)
    named_within(lambda *call: seen.append(call), "seed 3")("learning bits", 2, 2)
    assert seen == [("scoring", 1, 2), ("scoring", 2, 2), ("seed 3: learning bits", 2, 2)]


def test_nobody_to_tell_stays_nobody():
    assert named(None, "scoring") is None and named_within(None, "seed 3") is None
