#include "node/disk/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/alloc.h"
#include "base/error.h"

struct writer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct db *db;
    void (*told)(void *user);
    void *user;
    /* under the lock */
    const struct batch *batch; /* to be written */
    struct divan_error result;
    bool done, stop;
};

static void *writer_run(void *user)
{
    struct writer *w = user;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->batch && !w->stop) pthread_cond_wait(&w->changed, &w->lock);
        if (!w->batch) break;
        const struct batch *b = w->batch;
        struct divan_error err = {0};
        pthread_mutex_unlock(&w->lock);
        db_apply(w->db, b, &err);
        pthread_mutex_lock(&w->lock);
        w->result = err;
        w->batch = NULL;
        w->done = true;
        pthread_cond_signal(&w->changed);
        w->told(w->user);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Signals are for the program's own threads. */
static int start(struct writer *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, writer_run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

struct writer *writer_new(struct db *db, void (*told)(void *user), void *user, struct divan_error *err)
{
    struct writer *w = mem_zalloc(sizeof *w);
    if (!w) {
        err_oom(err);
        return NULL;
    }
    w->db = db;
    w->told = told;
    w->user = user;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    int rc = start(w);
    if (!rc) return w;
    err_sys(err, DIVAN_ERR_SYSTEM, rc, "cannot start the thread that writes documents");
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
    return NULL;
}

struct db *writer_free(struct writer *w)
{
    struct db *db = w->db;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
    return db;
}

void writer_give(struct writer *w, const struct batch *b)
{
    pthread_mutex_lock(&w->lock);
    w->batch = b;
    w->done = false;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static bool take(struct writer *w, bool wait, struct divan_error *err)
{
    pthread_mutex_lock(&w->lock);
    while (wait && w->batch) pthread_cond_wait(&w->changed, &w->lock);
    bool done = w->done;
    if (done) *err = w->result;
    w->done = false;
    pthread_mutex_unlock(&w->lock);
    return done;
}

bool writer_take(struct writer *w, struct divan_error *err)
{
    return take(w, false, err);
}

bool writer_wait(struct writer *w, struct divan_error *err)
{
    return take(w, true, err);
}
