// SPDX-License-Identifier: GPL-2.0
#include "klp_exit.h"
