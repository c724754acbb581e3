/* Pictures in requests and answers. What counts as one is core's image.c. */
#include "api/picture.h"

#include "core/tenant.h"

enum err
picture_read(struct api_request *rq, struct str *data_url, struct str *what)
{
    const struct form_part *part = rq->n_parts == 1 ? &rq->parts[0] : NULL;

    for (size_t i = 0; i < rq->n_parts; i++) {
        if (str_eq(rq->parts[i].name, S("file")))
            part = &rq->parts[i];
    }
    if (!part || part->value.n == 0)
        return fail_field(rq->cx, S("/file"), "is required: a JPEG or PNG picture");
    return image_data_url(rq->cx, part->value, data_url, what);
}

enum err
picture_answer(struct api_request *rq, struct str data_url)
{
    if (str_is_empty(data_url) ||
        image_bytes(rq->cx, data_url, &rq->rs->content_type, &rq->rs->body) != OK)
        return fail(rq->cx, ERR_NOT_FOUND, "There is no picture");
    return OK;
}
