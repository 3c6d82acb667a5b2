/* Passwords: what is kept of them, and how one is checked. */
#ifndef DIVAN_MANAGER_KEYS_H
#define DIVAN_MANAGER_KEYS_H

#include "manager/doc.h"

/** Derives all hashes with fresh salts: some 5 ms. Errors: CREDENTIALS, OUT_OF_MEMORY, FAILED. */
enum divan_code keys_derive(struct divan_bytes password, struct doc_key out[DOC_HASHES], struct divan_error *err);
/** Whether the password is the one they were derived from; costs milliseconds. */
bool keys_check(const struct doc_key keys[DOC_HASHES], struct divan_bytes password);

#endif
