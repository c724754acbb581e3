/* Pictures in requests and answers: the field "file" of an upload, and an image sent back. */
#ifndef RECOUNT_API_PICTURE_H
#define RECOUNT_API_PICTURE_H

#include "api/api.h"

/* The part named "file" (or the only one), checked, as a data: URL; what: for the event. */
MUST_CHECK enum err picture_read(struct api_request *rq, struct str *data_url, struct str *what);
/* Answers the picture itself; ERR_NOT_FOUND for an empty text. */
MUST_CHECK enum err picture_answer(struct api_request *rq, struct str data_url);

#endif
