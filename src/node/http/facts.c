#include "node/http/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void read_memory(struct facts *f)
{
    char line[128];
    unsigned long long kb = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "MemTotal: %llu kB", &kb) == 1) f->memory_total = kb * 1024;
        if (sscanf(line, "MemAvailable: %llu kB", &kb) == 1) f->memory_free = kb * 1024;
    }
    if (file) fclose(file);
    unsigned long long limit = 0;
    file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (file && fscanf(file, "%llu", &limit) == 1 && limit < f->memory_total) f->memory_total = limit;
    if (file) fclose(file);
    if (f->memory_free > f->memory_total) f->memory_free = f->memory_total;
}

void facts_read(const char *path, struct facts *out)
{
    struct statvfs disk;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    *out = (struct facts){.cpus = cpus > 0 ? (unsigned)cpus : 0};
    read_memory(out);
    if (statvfs(path ? path : ".", &disk) == 0) {
        out->disk_total = (uint64_t)disk.f_blocks * disk.f_frsize;
        out->disk_free = (uint64_t)disk.f_bavail * disk.f_frsize;
    }
}
