// SPDX-License-Identifier: GPL-2.0
#define PATCH_VERSION 2
#include "patch.h"
