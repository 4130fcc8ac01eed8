// SPDX-License-Identifier: Apache-2.0
/* The search against the plain scan, on random and on awkward dictionaries; runs on any core and on the host. */
#ifndef SEARCH_CHECK_H
#define SEARCH_CHECK_H

#include <stdint.h>

/* Makes `dictionaries` of them from `seed` and asks each a few queries. Returns a checksum of all answers, the same on
 * every core, or 0 after the first answer that is not the plain scan's. */
uint32_t search_check(uint32_t seed, uint32_t dictionaries);

#endif
