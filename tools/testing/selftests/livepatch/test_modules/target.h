/* SPDX-License-Identifier: GPL-2.0 */
struct dentry;

int klp_target_second_twin(void);
int klp_target_init_value(void);

void klp_target_direct_init(unsigned long addr, struct dentry *dir);
void klp_target_direct_exit(void);

/* Between target_direct.c and target_tramp.S. */
extern unsigned long klp_direct_original;
void klp_direct_hit(void);
void klp_direct_fentry(void);
void klp_direct_fexit(void);
void klp_direct_fexit_shared(void);
