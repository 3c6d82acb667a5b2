#include "manager/json_writer.h"

#include <stdarg.h>
#include <stdio.h>

void jw_printf(struct buf *b, const char *key, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    jw_str(b, key, text);
}
