/* Stores and reads many documents at once, a window of them in flight, on one thread:
 * queue couchbase://localhost/default Administrator password 100000 */
#include <divan/divan.h>
#include <stdio.h>
#include <stdlib.h>

enum { WINDOW = 100 };

/* Starts operations until the window is full or all were started; takes what is complete; until all are. */
static size_t run(divan_collection *people, divan_queue *queue, size_t count, int reading, struct divan_error *err)
{
    size_t started = 0, ended = 0, failed = 0;
    while (ended < count) {
        divan_result *done[WINDOW];
        const struct divan_done to = {.queue = queue};
        for (; started < count && started - ended < WINDOW; started++) {
            char key[32];
            snprintf(key, sizeof key, "person:%zu", started);
            if (reading ? divan_get_start(people, divan_str(key), NULL, to, err)
                        : divan_upsert_start(people, divan_str(key), divan_str("{\"born\": 1815}"), NULL, to, err))
                return count;
        }
        size_t n = divan_queue_pop(queue, done, WINDOW, -1);
        for (size_t i = 0; i < n; i++) {
            const struct divan_error *problem = divan_result_error(done[i]);
            if (problem && !failed++) fprintf(stderr, "%s\n", problem->message);
            divan_result_release(done[i]);
        }
        ended += n;
    }
    return failed;
}

int main(int argc, char **argv)
{
    struct divan_error err = {.code = DIVAN_OK};
    divan_cluster *cluster = NULL;
    size_t count = argc > 4 ? strtoul(argv[4], NULL, 10) : 10000, failed = count;
    const struct divan_cluster_options login = {.username = argc > 2 ? argv[2] : NULL,
                                                .password = argc > 3 ? argv[3] : NULL};
    if (!divan_cluster_open(&cluster, argc > 1 ? argv[1] : "couchbase://localhost/default", &login, &err)) {
        divan_collection *people = divan_cluster_collection(cluster, NULL, NULL, NULL, &err);
        divan_queue *queue = divan_queue_new(cluster);
        if (people && queue) failed = run(people, queue, count, 0, &err) + run(people, queue, count, 1, &err);
        divan_queue_free(queue);
    }
    if (err.code) fprintf(stderr, "%s\n", err.message);
    else printf("%zu documents stored and read, %zu failures\n", count, failed);
    divan_cluster_close(cluster);
    return failed != 0;
}
