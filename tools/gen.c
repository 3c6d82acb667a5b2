/* Expands the tables of defs/ into the headers and pages that are made at build time. Usage: gen codes|errors-md */
#include <stdio.h>
#include <string.h>

struct row {
    const char *name;
    int number;
    const char *flags, *text;
};

static const struct row rows[] = {
#define X(name, number, flags, text) {#name, number, #flags, text},
#include "../defs/errors.def"
#undef X
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void codes(void)
{
    puts("/* Generated from defs/errors.def: change the table, not this file. */\n"
         "#ifndef DIVAN_CODES_H\n#define DIVAN_CODES_H\n\n"
         "/** Result of a call. 0 is success; the numbers never change their meaning. */\n"
         "enum divan_code {\n    DIVAN_OK = 0, /**< success */");
    for (int i = 0; i < ROWS; i++)
        printf("    DIVAN_ERR_%s = %d, /**< %s */\n", rows[i].name, rows[i].number, rows[i].text);
    puts("};\n\n#endif");
}

static void page(void)
{
    puts(
        "# Error codes\n\nGenerated from `defs/errors.def`.\n\n| number | name | flags | meaning |\n|---|---|---|---|");
    for (int i = 0; i < ROWS; i++)
        printf("| %d | `DIVAN_ERR_%s` | %s | %s |\n", rows[i].number, rows[i].name,
               strcmp(rows[i].flags, "0") ? rows[i].flags : "", rows[i].text);
}

int main(int argc, char **argv)
{
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < i; j++)
            if (rows[i].number == rows[j].number || !strcmp(rows[i].name, rows[j].name)) {
                fprintf(stderr, "defs/errors.def: %s and %s collide\n", rows[i].name, rows[j].name);
                return 1;
            }
    const char *what = argc == 2 ? argv[1] : "";
    if (!strcmp(what, "codes")) codes();
    else if (!strcmp(what, "errors-md")) page();
    else return fputs("usage: gen codes|errors-md\n", stderr), 2;
    return 0;
}
