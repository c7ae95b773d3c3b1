// SPDX-License-Identifier: GPL-2.0
/* One function: the one that is called in a loop. */
#define FUNCTIONS(F)	F(bench_call)
#define REPLACE		false
#include "bench_patch.h"
