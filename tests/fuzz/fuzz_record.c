/* The strict decoder of audit records: what it accepts must encode to the same bytes. The first byte
 * chooses the part. */
#include "audit/record.h"
#include "fuzz.h"

static void
check(struct arena *a, struct str bytes, bool personal)
{
    struct record r = {0};
    struct buf *b = buf_in(a, 4 * RECORD_PART_MAX);
    enum err e = personal ? record_get_personal(a, bytes, &r) : record_get_public(bytes, &r);
    if (e != OK)
        return;
    if (personal)
        record_put_personal(b, &r);
    else
        record_put_public(b, &r);
    if (!str_eq(buf_view(b), bytes))
        BUG("accepted bytes are not the canonical ones");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena *a = arena_create("fuzz", (size_t)64 << 20);
    check(a, str_mem(data + 1, size - 1), data[0] & 1);
    arena_free(a);
    return 0;
}
