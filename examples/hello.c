/* Stores a document and reads it back: hello couchbase://localhost/default Administrator password */
#include <divan/divan.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct divan_error err = {0};
    divan_cluster *cluster = NULL;
    divan_result *result = NULL;
    const struct divan_cluster_options login = {.username = argc > 2 ? argv[2] : NULL,
                                                .password = argc > 3 ? argv[3] : NULL};
    if (divan_cluster_open(&cluster, argc > 1 ? argv[1] : "couchbase://localhost/default", &login, &err) == DIVAN_OK) {
        divan_collection *people = divan_cluster_collection(cluster, NULL, NULL, NULL, &err);
        if (people && !divan_upsert(people, divan_str("ada"), divan_str("{\"born\": 1815}"), NULL, NULL, &err) &&
            !divan_get(people, divan_str("ada"), NULL, &result, &err))
            printf("ada: %.*s\n", (int)divan_result_value(result).len, (const char *)divan_result_value(result).data);
    }
    if (err.code) fprintf(stderr, "%s (%s)\n", err.message, divan_code_name(err.code));
    divan_result_release(result);
    divan_cluster_close(cluster);
    return err.code != DIVAN_OK;
}
