/* The entry: libraries that want it are initialised once, then the sub-command runs. */
#include <curl/curl.h>
#include <locale.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cmd/cmd.h"

int
main(int argc, char **argv)
{
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    setlocale(LC_CTYPE, "C.UTF-8");
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        fputs("recount: a library could not be initialised\n", stderr);
        return 1;
    }
    return cmd_main(argc, argv);
}
