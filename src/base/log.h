/* Leveled log lines to a callback. Formatting happens only when the level is on. */
#ifndef DIVAN_BASE_LOG_H
#define DIVAN_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_OFF, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

struct log {
    enum log_level level;
    void (*fn)(void *user, int level, const char *text);
    void *user;
};

/** "error".."trace", "off", or 0..5; -1 = not a level. */
int log_level_parse(const char *text);
/** To standard error with a time stamp, "12:34:56.789 WARN text". */
void log_to_stderr(void *user, int level, const char *text);
void log_write(const struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** log may be NULL. */
#define LOG_AT(log, level_, ...)                                                                                       \
    do {                                                                                                               \
        if ((log) && (log)->level >= (level_)) log_write((log), (level_), __VA_ARGS__);                                \
    } while (0)
#define LOG_E(log, ...) LOG_AT(log, LOG_ERROR, __VA_ARGS__)
#define LOG_W(log, ...) LOG_AT(log, LOG_WARN, __VA_ARGS__)
#define LOG_I(log, ...) LOG_AT(log, LOG_INFO, __VA_ARGS__)
#define LOG_D(log, ...) LOG_AT(log, LOG_DEBUG, __VA_ARGS__)
#define LOG_T(log, ...) LOG_AT(log, LOG_TRACE, __VA_ARGS__)

#endif
