// SPDX-License-Identifier: GPL-2.0
/* One function: the one that sleeps. */
#define FUNCTIONS(F)	F(bench_sleep)
#define REPLACE		false
#include "bench_patch.h"
