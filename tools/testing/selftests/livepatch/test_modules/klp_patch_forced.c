// SPDX-License-Identifier: GPL-2.0
/* To be forced out: after that it can never be unloaded. */
#define PATCH_VERSION 8
#include "patch.h"
