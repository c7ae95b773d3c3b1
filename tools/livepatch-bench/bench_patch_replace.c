// SPDX-License-Identifier: GPL-2.0
/* One function instead of all that is patched. */
#define FUNCTIONS(F)	F(bench_call)
#define REPLACE		true
#include "bench_patch.h"
