/* CRC-32 (IEEE 802.3, as zlib), eight bytes at a time. */
#include "topology/map.h"

enum { SLICES = 8 };

/* tables[n][b]: what byte b does to the sum when n more bytes follow it in the same step. */
static uint32_t tables[SLICES][256];

/* Before main, so that no thread ever sees half of it. */
__attribute__((constructor)) static void fill_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
        tables[0][byte] = sum;
    }
    for (int n = 1; n < SLICES; n++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = tables[n - 1][byte];
            tables[n][byte] = before >> 8 ^ tables[0][before & 0xff];
        }
}

static uint32_t get_u32le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t add_eight(uint32_t sum, const uint8_t *p)
{
    uint32_t low = sum ^ get_u32le(p), high = get_u32le(p + 4);
    return tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
           tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^ tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
}

uint32_t crc32_of(struct divan_bytes data)
{
    const uint8_t *p = data.data;
    size_t left = data.len;
    uint32_t sum = 0xffffffffu;
    for (; left >= 8; p += 8, left -= 8) sum = add_eight(sum, p);
    for (; left; p++, left--) sum = sum >> 8 ^ tables[0][(sum ^ *p) & 0xff];
    return ~sum;
}
