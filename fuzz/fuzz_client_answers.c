/* What a client makes of answers: results of sub-document specs, pages of scans, projections, refusals of the management
 * service. The first byte chooses, the rest is the answer. */
#include <divan/divan.h>

#include "client/project.h"
#include "client/scanner.h"
#include "client/services/http.h"
#include "client/specs.h"
#include "text/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_specs(struct divan_bytes answer, enum op_kind kind)
{
    struct operation op = {.kind = (uint8_t)kind, .spec_count = 4, .value = answer, .exists_mask = 2};
    const uint8_t order[] = {2, 0, 3, 1};
    struct divan_spec_result spec;
    size_t failed;
    uint16_t status;
    memcpy(op.spec_order, order, sizeof order);
    for (size_t i = 0; i < 5; i++) {
        divan_result_spec(op_result(&op), i, &spec);
        if (spec.value.len) spec.exists = ((const uint8_t *)spec.value.data)[spec.value.len - 1] != 0;
    }
    const struct frame f = {.status = ST_SUBDOC_MULTI_PATH_FAILURE, .value = answer};
    specs_failure(&op, &f, &failed, &status);
    specs_path(&op, 1);
}

static void fuzz_page(struct divan_bytes page, enum scan_kind kind)
{
    const struct operation op = {.kind = KIND_SCAN_CONTINUE, .doc_flags = (uint8_t)kind, .value = page};
    struct scan_item item;
    for (size_t cursor = 0; scanner_item(&op, &cursor, &item);) {}
}

/* "path\0document": a projection of valid JSON is valid JSON. */
static void fuzz_projection(struct divan_bytes input)
{
    const char *text = input.data;
    size_t path = input.len ? strnlen(text, input.len) : 0;
    struct divan_bytes document = bytes_slice(input, path + 1, input.len);
    struct projection p = {.nodes = NULL};
    struct buf out = {.limit = 64 << 20};
    if (!json_is_valid(document)) return;
    enum divan_code rc = projection_take(&p, bytes_of(text, path), document, NULL);
    if (!rc) projection_take(&p, divan_str("a[1].b"), document, NULL);
    if (!rc && !projection_put(&p, &out, NULL) && !json_is_valid(buf_view(&out))) __builtin_trap();
    projection_fini(&p);
    buf_fini(&out);
}

static void fuzz_refusal(struct divan_bytes body)
{
    char words[100];
    for (int subject = ABOUT_ANYTHING; subject <= ABOUT_GROUP; subject++)
        for (unsigned status = 400; status < 405; status += 4) http_code((enum http_subject)subject, status, body);
    http_words(body, words, sizeof words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct divan_bytes rest = size ? bytes_of(data + 1, size - 1) : bytes_of(NULL, 0);
    switch (size ? data[0] % 6 : 6) {
    case 0:
        fuzz_specs(rest, KIND_LOOKUP_IN);
        break;
    case 1:
        fuzz_specs(rest, KIND_MUTATE_IN);
        break;
    case 2:
        fuzz_page(rest, SCAN_KEYS);
        break;
    case 3:
        fuzz_page(rest, SCAN_DOCUMENTS);
        break;
    case 4:
        fuzz_projection(rest);
        break;
    case 5:
        fuzz_refusal(rest);
        break;
    }
    return 0;
}
