# SPDX-License-Identifier: Apache-2.0
"""A function of an index in several processes: the same results, and errors that end all processes."""

import math
import operator
import os
from functools import partial

import pytest
from threadpoolctl import threadpool_info

from blsh_trainer.compute.process_map import check_jobs, computed
from blsh_trainer.errors import BlshError

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("jobs", [1, 2, None])
def test_results_come_in_order_whatever_the_jobs(jobs):
    seen = []
    found = computed(math.factorial, 5, jobs, "multiplying", lambda *call: seen.append(call))
    assert found == [1, 1, 2, 6, 24]
    assert seen == [("multiplying", n, 5) for n in range(1, 6)]


def test_nothing_to_do_is_no_error():
    assert computed(math.factorial, 0, 2, "multiplying") == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_exception_arrives(jobs):
    with pytest.raises(IndexError, match="string index out of range"):
        computed(partial(operator.getitem, "abc"), 8, jobs, "reading")
    assert computed(partial(operator.getitem, "abc"), 3, jobs, "reading") == ["a", "b", "c"]


def test_a_process_that_dies_is_told():
    with pytest.raises(BlshError, match=r"a process died while dying, .*use fewer jobs"):
        computed(os._exit, 4, 2, "dying")
    assert computed(math.factorial, 3, 2, "multiplying") == [1, 1, 2]


def test_each_call_has_one_thread_of_blas():
    def threads(_):
        return {library["num_threads"] for library in threadpool_info()}

    assert computed(threads, 1, 1, "counting") == [{1}]


def test_jobs_below_one_are_refused():
    with pytest.raises(BlshError, match="-2 jobs; choose 1 or more"):
        check_jobs(-2)
    assert check_jobs(None) >= 1 and check_jobs(3) == 3
