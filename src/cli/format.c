#include "cli/format.h"

#include <inttypes.h>
#include <stdio.h>

const char *format_count(char *out, size_t cap, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    size_t at = 0;
    for (int i = 0; i < len && at + 2 < cap; i++) {
        if (i && (len - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    if (cap) out[at] = 0;
    return out;
}

/* three significant figures: what fits a table and does not flicker in a live line */
static void three_figures(char *out, size_t cap, double n, const char *unit)
{
    int decimals = n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
    snprintf(out, cap, "%.*f%s", decimals, n, unit);
}

const char *format_rate(char *out, size_t cap, double per_s)
{
    if (per_s >= 999.5e3) three_figures(out, cap, per_s / 1e6, " M/s");
    else if (per_s >= 9999.5) three_figures(out, cap, per_s / 1e3, " k/s");
    else snprintf(out, cap, "%.0f/s", per_s);
    return out;
}

const char *format_ns(char *out, size_t cap, uint64_t ns)
{
    if (ns >= 999500000) three_figures(out, cap, (double)ns / 1e9, " s");
    else if (ns >= 999500) three_figures(out, cap, (double)ns / 1e6, " ms");
    else if (ns >= 1000) three_figures(out, cap, (double)ns / 1e3, " us");
    else snprintf(out, cap, "%" PRIu64 " ns", ns);
    return out;
}

const char *format_bytes(char *out, size_t cap, uint64_t bytes)
{
    static const char *const units[] = {" KiB", " MiB", " GiB", " TiB"};
    double n = (double)bytes / 1024;
    size_t unit = 0;
    for (; n >= 999.5 && unit < 3; unit++) n /= 1024;
    if (bytes < 1024) snprintf(out, cap, "%" PRIu64 " B", bytes);
    else three_figures(out, cap, n, units[unit]);
    return out;
}

const char *format_elapsed(char *out, size_t cap, uint64_t s)
{
    if (s >= 3600) snprintf(out, cap, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
    else snprintf(out, cap, "%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
    return out;
}
