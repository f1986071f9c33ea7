/* Runs a program and says on stderr how many KiB of memory it had at most. A launcher as small as this one is needed:
 * the kernel counts what the process was before exec as well. usage: rss PROGRAM [ARGUMENT]... */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct rusage usage;
    int status;
    (void)argc;
    pid_t child = vfork();
    if (child == 0) {
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0) return 1;
    dprintf(2, "%ld\n", usage.ru_maxrss);
    return status != 0;
}
