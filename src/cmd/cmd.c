/* The table of sub-commands and the first word of the command line. */
#include "cmd/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
    {"serve",
     "[--data DIR] [--keys DIR] [--listen ADDR:PORT] [--database sqlite|postgres://…]\n"
     "               [--tls-cert F --tls-key F] [--trusted-proxy CIDR] [--public-url URL] [--demo]",
     "run the server", cmd_serve},
    {"user",
     "create --email E --first F --last L --role ADMIN [--tenant N | --new-tenant --tenant-name W] --password-stdin\n"
     "               | list | unlock --email E | reset-mfa --email E | set-password --email E --password-stdin",
     "manage users on the machine itself", cmd_user},
    {"audit",
     "list [--query Q] [--from D] [--to D] [--limit N] [--instance] | tail | export --format ndjson|csv|ocsf | "
     "access [--on D] [--check] |\n"
     "               verify [--deep] [--checkpoint FILE…] [--policy FILE] [--vkey KEY] [--json] | new-epoch --reason TEXT |\n"
     "               holds list | place --reason TEXT [--until DATE] | release ID --reason TEXT |\n"
     "               erasures list | request --subject EMAIL|ID --reason TEXT --legal-ground TEXT [--text T…] | cancel ID",
     "the audit log: read and verify it, hold it, ask that a person is erased from it", cmd_audit},
    {"backup", "create FILE | restore FILE", "copy the store, or put a copy back", cmd_backup},
    {"keys", "list | rotate --reason TEXT", "the signing key of the audit log", cmd_keys},
    {"doctor", "", "audit this installation", cmd_doctor},
    {"migrate", "", "bring the schema up to date", cmd_migrate},
    {"witness", "--data DIR --listen ADDR:PORT --logs FILE [--name NAME]",
     "cosign the checkpoints of others' logs (of --database it knows nothing)", cmd_witness},
    {"openapi", "", "print the interface as OpenAPI 3.1", cmd_openapi},
};

int
refuse(const char *fmt, ...)
{
    va_list ap;

    fputs("recount: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return 1;
}

int
usage(const char *text)
{
    fprintf(stderr, "usage: recount %s\n", text);
    return 2;
}

static int
usage_all(FILE *to)
{
    fprintf(to, "usage: recount COMMAND …   (every command takes --data DIR and --database)\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(to, "  recount %-8s %s\n               %s\n", commands[i].name, commands[i].usage,
                commands[i].summary);
    return to == stdout ? 0 : 2;
}

int
cmd_main(int argc, char **argv)
{
    if (argc < 2)
        return usage_all(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage_all(stdout);
    if (strcmp(argv[1], "--version") == 0) {
        puts("recount " RECOUNT_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            struct arena *a = arena_create("process", (size_t)1 << 30);
            int status = commands[i].run(a, argc - 2, argv + 2);

            arena_free(a);
            return status;
        }
    }
    refuse("there is no command \"%s\"", argv[1]);
    return usage_all(stderr);
}
