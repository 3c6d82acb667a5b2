#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "cli/command.h"

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, ""); /* whether the terminal takes UTF-8; numbers stay as they are */
    signal(SIGPIPE, SIG_IGN);
    int status = command_main(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    if (errno != EPIPE) perror("divan: standard output"); /* "divan help | head" is no accident */
    return EXIT_TROUBLE;
}
