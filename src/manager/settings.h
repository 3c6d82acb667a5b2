/* Settings that tools write and read back and that mean nothing here: kept as they are, checked by type. */
#ifndef DIVAN_MANAGER_SETTINGS_H
#define DIVAN_MANAGER_SETTINGS_H

#include "manager/doc.h"

struct plan;

/** The JSON a GET of the path answers: what was set, else the default; NULL = no such setting. */
const char *setting_json(const struct doc *, const char *path);
/** Writes `before` with the form's fields put in; adds an error to the plan for an unknown field or a value of the wrong
 * type. */
void setting_merge(struct plan *, const char *before, struct buf *out);

#endif
