#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

static const char *const names[] = {"off", "error", "warn", "info", "debug", "trace"};

int log_level_parse(const char *text)
{
    for (int i = 0; text && i < (int)(sizeof names / sizeof names[0]); i++)
        if (!strcasecmp(text, names[i]) || (text[0] == '0' + i && !text[1])) return i;
    return -1;
}

void log_to_stderr(void *user, int level, const char *text)
{
    (void)user;
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    localtime_r(&ts.tv_sec, &tm);
    fprintf(stderr, "%02d:%02d:%02d.%03ld %-5s %s\n", tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000,
            level >= 0 && level <= LOG_TRACE ? names[level] : "?", text);
}

void log_write(const struct log *log, enum log_level level, const char *format, ...)
{
    if (!log->fn) return;
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log->fn(log->user, level, line);
}
