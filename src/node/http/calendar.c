#include "node/http/calendar.h"

#include <stdio.h>

struct date {
    unsigned year, month, day, weekday, hour, minute, second;
};

/* Days since 1970 to a date of the Gregorian calendar: years are counted from March, so that the leap day is the last. */
static struct date date_of(uint64_t unix_s)
{
    uint64_t days = unix_s / 86400 + 719468, rest = unix_s % 86400;
    uint64_t era = days / 146097, in_era = days % 146097;
    uint64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint64_t in_year = in_era - (365 * year + year / 4 - year / 100), month = (5 * in_year + 2) / 153;
    struct date d = {.day = (unsigned)(in_year - (153 * month + 2) / 5 + 1),
                     .month = (unsigned)(month < 10 ? month + 3 : month - 9),
                     .weekday = (unsigned)((unix_s / 86400 + 4) % 7),
                     .hour = (unsigned)(rest / 3600),
                     .minute = (unsigned)(rest / 60 % 60),
                     .second = (unsigned)(rest % 60)};
    d.year = (unsigned)(year + era * 400 + (d.month <= 2)) % 10000;
    return d;
}

const char *calendar_http(uint64_t unix_s, char *out, size_t cap)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct date d = date_of(unix_s);
    snprintf(out, cap, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * d.weekday, d.day,
             months + 3 * (d.month - 1), d.year, d.hour, d.minute, d.second);
    return out;
}

const char *calendar_iso(uint64_t unix_ms, char *out, size_t cap)
{
    struct date d = date_of(unix_ms / 1000);
    snprintf(out, cap, "%04u-%02u-%02uT%02u:%02u:%02u.000Z", d.year, d.month, d.day, d.hour, d.minute, d.second);
    return out;
}
