/* Starts operations and hears of their end by callback, on a thread of the library:
 * callback couchbase://localhost/default Administrator password */
#include <divan/divan.h>
#include <pthread.h>
#include <stdio.h>

struct job {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int waiting;
};

static void on_end(divan_result *result, void *user)
{
    struct job *job = user;
    const struct divan_error *problem = divan_result_error(result);
    struct divan_bytes key = divan_result_key(result);
    printf("%.*s: %s\n", (int)key.len, (const char *)key.data, problem ? problem->message : "stored");
    pthread_mutex_lock(&job->lock);
    if (!--job->waiting) pthread_cond_signal(&job->ended);
    pthread_mutex_unlock(&job->lock);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"ada", "grace", "edsger"};
    struct job job = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER, .waiting = 3};
    struct divan_error err = {.code = DIVAN_OK};
    divan_cluster *cluster = NULL;
    const struct divan_cluster_options login = {.username = argc > 2 ? argv[2] : NULL,
                                                .password = argc > 3 ? argv[3] : NULL};
    if (!divan_cluster_open(&cluster, argc > 1 ? argv[1] : "couchbase://localhost/default", &login, &err)) {
        divan_collection *people = divan_cluster_collection(cluster, NULL, NULL, NULL, &err);
        pthread_mutex_lock(&job.lock);
        for (int i = 0; people && i < 3; i++)
            if (divan_upsert_start(people, divan_str(names[i]), divan_str("{}"), NULL,
                                   (struct divan_done){.fn = on_end, .user = &job}, &err))
                job.waiting--; /* refused: no callback will come */
        while (people && job.waiting) pthread_cond_wait(&job.ended, &job.lock);
        pthread_mutex_unlock(&job.lock);
    }
    if (err.code) fprintf(stderr, "%s\n", err.message);
    divan_cluster_close(cluster);
    return err.code != DIVAN_OK;
}
