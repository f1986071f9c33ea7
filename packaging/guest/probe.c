/* Looks at a mount that is in no list of mounts, for the guest test; static, and the guest's only tool beside busybox.
 *
 *   probe held PID            the mount options of the ISO9660 volume that a process holds; exit 1 if it holds none
 *   probe free DEVICE         exit 0 if no file system holds the device, 1 if one does
 *   probe as-nobody CMD…      runs a command without root's rights
 *   probe without-fsopen CMD… runs a command on what looks like Linux before 5.2: fsopen(2) and openat2(2) fail with ENOSYS
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ISO9660 0x9660
#define FSOPEN 430 /* the same numbers on every architecture */
#define OPENAT2 437

static int held(const char *pid)
{
    static const struct { unsigned long flag; const char *name; } options[] = {
        {ST_RDONLY, "ro"}, {ST_NOSUID, "nosuid"}, {ST_NODEV, "nodev"}, {ST_NOEXEC, "noexec"},
    };
    char path[512];
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        struct statfs volume;
        snprintf(path, sizeof path, "/proc/%s/fd/%s", pid, entry->d_name);
        int fd = open(path, O_PATH);
        if (fd < 0 || fstatfs(fd, &volume) || volume.f_type != ISO9660)
            continue;
        for (size_t i = 0; i < sizeof options / sizeof *options; i++)
            if (volume.f_flags & options[i].flag)
                printf("%s%s", i ? "," : "", options[i].name);
        puts("");
        return 0;
    }
    return 1;
}

/* A mounted file system claims its device for itself, and so does O_EXCL on a block device. */
static int is_free(const char *device)
{
    if (open(device, O_RDONLY | O_EXCL) >= 0)
        return 0;
    if (errno != EBUSY)
        perror(device);
    return 1;
}

static int run(char **command)
{
    execv(command[0], command);
    perror(command[0]);
    return 2;
}

static int as_nobody(char **command)
{
    if (!setgroups(0, NULL) && !setgid(65534) && !setuid(65534))
        return run(command);
    perror("setuid");
    return 2;
}

static int without_fsopen(char **command)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FSOPEN, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OPENAT2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        return run(command);
    perror("seccomp");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "held"))
        return held(argv[2]);
    if (argc == 3 && !strcmp(argv[1], "free"))
        return is_free(argv[2]);
    if (argc > 2 && !strcmp(argv[1], "as-nobody"))
        return as_nobody(argv + 2);
    if (argc > 2 && !strcmp(argv[1], "without-fsopen"))
        return without_fsopen(argv + 2);
    fputs("usage: probe held PID | free DEVICE | as-nobody COMMAND… | without-fsopen COMMAND…\n", stderr);
    return 2;
}
