/* STAT: groups of figures, one answer each, ended by an empty one. */
#include "node/command.h"

void run_stat(struct request *rq)
{
    reply_plain(rq, ST_KEY_ENOENT);
}
