/* SPDX-License-Identifier: GPL-2.0 */
int klp_target_second_twin(void);
