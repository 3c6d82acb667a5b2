/* NOOP, VERSION, VERBOSITY, QUIT. */
#include "node/command.h"

void run_noop(struct request *rq)
{
    reply_plain(rq, ST_SUCCESS);
}

void run_version(struct request *rq)
{
    reply_value(rq, divan_str(rq->engine->version), 0);
}

/* The log has its own settings: taken and ignored. */
void run_verbosity(struct request *rq)
{
    reply_plain(rq, ST_SUCCESS);
}

void run_quit(struct request *rq)
{
    if (!rq->quiet) reply_plain(rq, ST_SUCCESS);
    session_close(rq->session);
}
