/* Pictures: a file that is accepted comes back from its data: URL byte for byte, as PNG or JPEG; and
 * the input as a data: URL itself is bounded and has one text. */
#include "base/text.h"
#include "core/tenant.h"
#include "fuzz.h"

#define ARENA_MAX   ((size_t)64 << 20)
#define PICTURE_MAX ((size_t)1 << 20) /* bytes, as the refusal says */

static void
check_file(struct cx *cx, struct str bytes)
{
    struct str url, what = STR_NULL, type, back;
    enum err e = image_data_url(cx, bytes, &url, &what);

    if (e != OK) {
        HOLDS(e == ERR_MEDIA_TYPE || e == ERR_TOO_LARGE, "refused with %s", err_name(e));
        HOLDS(cx->failure.code == e && cx->failure.message.n > 0, "refused without words");
        return;
    }
    HOLDS(bytes.n <= PICTURE_MAX && what.n > 0, "too large");
    HOLDS(image_bytes(cx, url, &type, &back) == OK && str_eq(back, bytes), "bytes lost");
    HOLDS(str_eq(type, S("image/png")) || str_eq(type, S("image/jpeg")), "another type");
    HOLDS(utf8_is_valid(url) && str_index(url, '"') == SIZE_MAX,
          "an address that ends an attribute");
}

static void
check_url(struct cx *cx, struct str url)
{
    struct str type, bytes, rest = url, head;
    struct buf *b = buf_in(cx->arena, url.n * 2 + 64);

    if (image_bytes(cx, url, &type, &bytes) != OK)
        return;
    HOLDS(str_cut(&rest, ',', &head) && fuzz_is_view(type, head), "a type from nowhere");
    base64_put(b, bytes);
    HOLDS(str_eq(buf_view(b), rest), "one picture has two texts");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct cx cx = {.arena = a};

    check_file(&cx, fuzz_text(data, size));
    check_url(&cx, fuzz_text(data, size));
    arena_free(a);
    return 0;
}
