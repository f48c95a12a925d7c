/* gnuplot as a child process: a script through a pipe, no shell, no start-up files. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report_internal.h"
#include "segmpi/text.h"

extern char **environ;

/* *child reads from *pipe_end, which is the caller's to close; what it says goes to the file `talk`
 * (NULL: to standard error). */
static seg_status start(pid_t *child, int *pipe_end, const char *talk)
{
    char program[] = "gnuplot", plain[] = "-d"; /* no ~/.gnuplot */
    char *words[] = { program, plain, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t usual;
    int ends[2];

    if (pipe(ends) != 0) return SEG_FAIL(SEG_ERR_IO, "cannot open a pipe: %s", strerror(errno));
    (void)sigemptyset(&usual);
    (void)sigaddset(&usual, SIGPIPE);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    (void)posix_spawn_file_actions_addclose(&actions, ends[0]);
    (void)posix_spawn_file_actions_addclose(&actions, ends[1]);
    if (talk)
        (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, talk,
                                               O_WRONLY | O_CREAT | O_TRUNC, 0600);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigdefault(&attributes, &usual);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int failed = posix_spawnp(child, program, &actions, &attributes, words, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[0]);
    *pipe_end = ends[1];
    if (failed == 0) return SEG_OK;
    (void)close(ends[1]);
    if (failed == ENOENT)
        return SEG_FAIL(SEG_ERR_CONFIG, "gnuplot, which draws, is not installed; on Debian: "
                                        "apt-get install gnuplot-nox");
    return SEG_FAIL(SEG_ERR_CONFIG, "gnuplot cannot be started: %s", strerror(failed));
}

void report_gnuplot_text(FILE *script, const char *text)
{
    fputc('\'', script);
    for (const char *c = text; *c; c++)
        if (*c == '\'')
            fputs("'.\"\\047\".'", script);
        else
            fputc(*c, script);
    fputc('\'', script);
}

/* A gnuplot that ends early says why by its exit code. */
static void feed(int pipe_end, const char *script, size_t size)
{
    while (size > 0) {
        ssize_t written = write(pipe_end, script, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return;
        script += written;
        size -= (size_t)written;
    }
}

static seg_status finish(pid_t child, int pipe_end, const char *script, size_t size)
{
    int status;

    feed(pipe_end, script, size);
    (void)close(pipe_end);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return SEG_FAIL(SEG_ERR_INTERNAL, "gnuplot is lost: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_INTERNAL, "gnuplot could not draw (status %d)", status);
}

seg_status report_gnuplot(const char *heading, const char *script, size_t size)
{
    int pipe_end;
    pid_t child;

    SEG_TRY(start(&child, &pipe_end, NULL));
    report_heading(heading); /* pictures wait for the script */
    (void)fflush(stdout);
    return finish(child, pipe_end, script, size);
}

/* The last line of the file that says something. */
static void tell_why(const char *path)
{
    char line[400], last[400] = "";
    FILE *talk = fopen(path, "r");

    while (talk && fgets(line, sizeof line, talk))
        if (strspn(line, " \n") < strlen(line)) (void)seg_text_copy(last, sizeof last, line);
    if (talk) (void)fclose(talk);
    last[strcspn(last, "\n")] = '\0';
    seg_error_while("drawing:%s", seg_text_clean(last, line, sizeof line));
}

seg_status report_gnuplot_run(const char *script, size_t size, const char *talk, bool *is_there)
{
    int pipe_end;
    pid_t child;

    *is_there = start(&child, &pipe_end, talk) == SEG_OK;
    if (!*is_there) {
        seg_error_clear();
        return SEG_OK;
    }
    seg_status status = finish(child, pipe_end, script, size);
    if (status != SEG_OK) tell_why(talk);
    (void)unlink(talk);
    return status;
}
