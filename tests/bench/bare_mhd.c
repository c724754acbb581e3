/* The bare peer of the HTTP benchmark: libmicrohttpd answering a small JSON object to everything,
 * with the threading our server uses (epoll, two event loops), and nothing else.
 *
 *     bare_mhd PORT [THREADS]
 */
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char body[] =
    "{\"user_id\":1,\"cuid\":\"cuser0000000000000000alice\",\"first\":\"Alice\","
    "\"last\":\"Archer\",\"email\":\"alice@example.org\",\"tenant_id\":0,"
    "\"role\":\"ADMIN\",\"permissions\":[\"CLIENT_VIEW\",\"CLIENT_CREATE\"]}";

static enum MHD_Result
answer(void *cls, struct MHD_Connection *c, const char *url, const char *method,
       const char *version, const char *data, size_t *size, void **state)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        sizeof body - 1, (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
    (void)cls, (void)url, (void)method, (void)version, (void)data, (void)size, (void)state;
    MHD_add_response_header(r, "Content-Type", "application/json");
    enum MHD_Result e = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return e;
}

int
main(int argc, char **argv)
{
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0,
         threads = argc > 2 ? strtol(argv[2], NULL, 10) : 2;
    sigset_t set;
    int which;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct MHD_Daemon *d =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)port, NULL, NULL, answer, NULL,
                         MHD_OPTION_THREAD_POOL_SIZE, (unsigned)threads,
                         MHD_OPTION_CONNECTION_LIMIT, 2000u, MHD_OPTION_END);
    if (d == NULL) {
        fprintf(stderr, "no daemon on port %ld\n", port);
        return 1;
    }
    printf("listening\n");
    fflush(stdout);
    (void)sigwait(&set, &which);
    MHD_stop_daemon(d);
    return 0;
}
