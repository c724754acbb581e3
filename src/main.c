/* The entry: hands over to the sub-command (cmd/cmd.h). */
int
main(void)
{
    return 0;
}
