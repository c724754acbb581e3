/* Access tokens as received: what is taken apart, put together again, is the same text but for how the
 * number of the workspace is spelled; ids are ids. */
#include "base/id.h"
#include "core/accesstoken.h"
#include "fuzz.h"

#define SECRET_TEXT 43 /* characters behind the id */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", (size_t)1 << 20);
    struct str s = fuzz_text(data, size), cuid = STR_NULL, head;
    int64_t tenant = -1;

    if (access_token_parse(s, &tenant, &cuid) != OK) {
        HOLDS(tenant == -1 && str_is_null(cuid), "a refused text left something");
    } else {
        HOLDS(tenant >= 0 && cuid_is(cuid) && fuzz_is_view(cuid, s), "no id");
        head = arena_fmt(a, "rct_%lld_%.*s", (long long)tenant, STR_ARG(cuid));
        HOLDS(str_eq(str_sub(s, 0, s.n - SECRET_TEXT), head), "one token has two texts");
    }
    arena_free(a);
    return 0;
}
