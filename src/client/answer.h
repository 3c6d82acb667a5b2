/* What an answer does to its operation. */
#ifndef DIVAN_CLIENT_ANSWER_H
#define DIVAN_CLIENT_ANSWER_H

#include "client/connection.h"

/** The operation is out of its slot. chunk holds the frame (to pin a large value). Ends in completion, in a retry, or in
 * the operation's wait for something. May close the connection. */
void answer_take(struct connection *conn, struct operation *op, const struct frame *f, struct chunk *chunk);
/** The value of an answer as plain text: inflated into *room when it is compressed. false: not decodable. */
bool answer_text(const struct frame *f, struct buf *room, struct divan_bytes *text);

#endif
