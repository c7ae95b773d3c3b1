// SPDX-License-Identifier: GPL-2.0
/* Ten functions, instead of all that is patched: in turns with bench_again_b. */
#include "functions.h"
#define FUNCTIONS(F)	FUNCTIONS_10(F)
#define REPLACE		true
#include "bench_patch.h"
