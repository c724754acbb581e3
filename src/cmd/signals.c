/* How a service is told to end, or to read its files again. */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "cmd/cmd.h"

static sigset_t held;
static bool had_terminal;

void
signals_hold(void)
{
    had_terminal = isatty(STDERR_FILENO) == 1;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &held, NULL); /* before any thread starts: all inherit it */
}

int
signals_wait(void)
{
    int which;

    while (sigwait(&held, &which) != 0)
        ;
    return which == SIGHUP && had_terminal && isatty(STDERR_FILENO) != 1 ? SIGTERM : which;
}
