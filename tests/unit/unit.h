/* What every cmocka program needs, in the order cmocka wants it. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#endif
