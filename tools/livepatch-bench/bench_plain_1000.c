// SPDX-License-Identifier: GPL-2.0
/* What the module loader alone takes for bench_patch_1000. */
#include "functions.h"
#define FUNCTIONS(F)	FUNCTIONS_1000(F)
#define REPLACE		false
#define PLAIN
#include "bench_patch.h"
