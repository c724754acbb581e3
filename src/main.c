/* The entry: libraries that want it are initialised once, then the sub-command runs. */
#include <curl/curl.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cmd/cmd.h"

/* What is at least this large goes back to the system when it is freed. By itself the C library raises its
 * mark with each large piece, and a server that once had twenty megabyte-sized bodies at work kept
 * 300 MB. Half of an arena's largest block. */
#define RETURNED_FROM (512 << 10)

int
main(int argc, char **argv)
{
    (void)mallopt(M_MMAP_THRESHOLD, RETURNED_FROM);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    setlocale(LC_CTYPE, "C.UTF-8");
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        fputs("recount: a library could not be initialised\n", stderr);
        return 1;
    }
    return cmd_main(argc, argv);
}
