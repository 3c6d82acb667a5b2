/* Stores a document and reads it back: hello couchbase://localhost/default Administrator password */
#include <divan/divan.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct divan_error err = {.code = DIVAN_OK};
    divan_cluster *cluster = NULL;
    divan_result *ada = NULL;
    const struct divan_cluster_options login = {.username = argc > 2 ? argv[2] : NULL,
                                                .password = argc > 3 ? argv[3] : NULL};
    if (!divan_cluster_open(&cluster, argc > 1 ? argv[1] : "couchbase://localhost/default", &login, &err)) {
        divan_collection *people = divan_cluster_collection(cluster, NULL, NULL, NULL, &err);
        if (people && !divan_upsert(people, divan_str("ada"), divan_str("{\"born\": 1815}"), NULL, NULL, &err) &&
            !divan_get(people, divan_str("ada"), NULL, &ada, &err))
            printf("ada: %.*s\n", (int)divan_result_value(ada).len, (const char *)divan_result_value(ada).data);
    }
    if (err.code) fprintf(stderr, "%s\n", err.message);
    divan_result_release(ada);
    divan_cluster_close(cluster);
    return err.code != DIVAN_OK;
}
