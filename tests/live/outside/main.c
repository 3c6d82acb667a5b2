/* A stranger's program, built against an installed Divan. */
#include <divan/divan.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    struct divan_error err;
    divan_cluster *cluster;
    divan_result *result = NULL;
    if (argc != 4) return 2;
    if (divan_cluster_open(&cluster, argv[1], &(struct divan_cluster_options){.username = argv[2], .password = argv[3]},
                           &err))
        return fprintf(stderr, "%s\n", err.message), 1;
    divan_collection *people = divan_cluster_collection(cluster, NULL, NULL, NULL, &err);
    if (!people || divan_upsert(people, divan_str("ada"), divan_str("{\"born\": 1815}"), NULL, NULL, &err) ||
        divan_get(people, divan_str("ada"), NULL, &result, &err)) {
        fprintf(stderr, "%s\n", err.message);
        divan_cluster_close(cluster);
        return 1;
    }
    struct divan_bytes value = divan_result_value(result);
    printf("%s: %zu bytes\n", divan_version(), value.len);
    divan_result_release(result);
    divan_cluster_close(cluster);
    return 0;
}
