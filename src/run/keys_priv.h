/* Files of the key directory, inside run/ only. */
#ifndef RECOUNT_RUN_KEYS_PRIV_H
#define RECOUNT_RUN_KEYS_PRIV_H

#include "run/keys.h"

#define KEY_LEN  32
#define SIGN_KEY "sign.key"

/* Durable when it returns OK. ERR_CONFLICT: there is such a file. */
MUST_CHECK enum err key_write(int dir, const char *name, const unsigned char key[KEY_LEN]);
/* k->old, k->next. An unfinished rotation whose next key is not wholly written is as if it had not begun. */
MUST_CHECK enum err old_keys_read(struct arena *a, struct keys *k);

#endif
