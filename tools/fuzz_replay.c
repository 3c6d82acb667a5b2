/* Runs a fuzz target over the files of its corpus where there is no libFuzzer: fuzz_x FILE|FOLDER... */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return perror(path), 1;
    uint8_t *data = NULL;
    size_t size = 0, cap = 0;
    for (size_t n = 1; n;) {
        if (size == cap && !(data = realloc(data, cap = cap ? cap * 2 : 4096))) abort();
        n = fread(data + size, 1, cap - size, file);
        size += n;
    }
    fclose(file);
    /* A block of exactly this size, so that a read past the end is one past the block. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) abort();
    if (size) memcpy(exact, data, size);
    free(data);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

static int run_path(const char *path, size_t *files)
{
    DIR *folder = opendir(path);
    if (!folder) {
        if (errno != ENOTDIR) return perror(path), 1;
        ++*files;
        return run_file(path);
    }
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char inner[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        failed |= run_path(inner, files);
    }
    closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    size_t files = 0;
    int failed = argc < 2;
    for (int i = 1; i < argc; i++) failed |= run_path(argv[i], &files);
    printf("%zu inputs\n", files);
    return failed || !files;
}
