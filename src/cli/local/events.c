#include "cli/local/events.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

struct events {
    struct io_loop *loop;
    int signals, quit; /* descriptors: signals come in, the end is asked for */
    bool keys;
    struct termios terminal; /* as it was */
    sigset_t mask;           /* as it was */
    pthread_t thread;
    _Atomic unsigned bits;
};

static unsigned read_signal(int fd)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) != (ssize_t)sizeof info) return 0;
    return info.ssi_signo == SIGCHLD ? EVENT_CHILD : info.ssi_signo == SIGWINCH ? EVENT_RESIZE : EVENT_STOP;
}

static unsigned read_key(struct pollfd *input)
{
    char key;
    if (read(input->fd, &key, 1) == 1) return key == 'q' || key == 'Q' ? EVENT_STOP : 0;
    input->fd = -1; /* no more keys will come */
    return 0;
}

static void *watch(void *user)
{
    struct events *e = user;
    struct pollfd fds[] = {{.fd = e->quit, .events = POLLIN},
                           {.fd = e->signals, .events = POLLIN},
                           {.fd = e->keys ? STDIN_FILENO : -1, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 3, -1) < 0 && errno != EINTR) return NULL;
        if (fds[0].revents) return NULL;
        unsigned bits = (fds[1].revents ? read_signal(e->signals) : 0) | (fds[2].revents ? read_key(&fds[2]) : 0);
        if (!bits) continue;
        atomic_fetch_or(&e->bits, bits);
        io_wake(e->loop);
    }
}

static void single_keys(struct events *e)
{
    if (tcgetattr(STDIN_FILENO, &e->terminal)) {
        e->keys = false;
        return;
    }
    struct termios raw = e->terminal;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

struct events *events_new(struct io_loop *loop, bool keys, struct divan_error *err)
{
    static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGWINCH};
    sigset_t set;
    struct events *e = mem_zalloc(sizeof *e);
    if (!e) return err_oom(err), NULL;
    e->loop = loop;
    e->keys = keys;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) sigaddset(&set, watched[i]);
    pthread_sigmask(SIG_BLOCK, &set, &e->mask);
    e->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    e->quit = eventfd(0, EFD_CLOEXEC);
    if (e->keys) single_keys(e);
    int error = e->signals < 0 || e->quit < 0 ? errno : pthread_create(&e->thread, NULL, watch, e);
    if (!error) return e;
    err_sys(err, DIVAN_ERR_SYSTEM, error, "cannot watch for signals");
    if (e->keys) tcsetattr(STDIN_FILENO, TCSANOW, &e->terminal);
    if (e->signals >= 0) close(e->signals);
    if (e->quit >= 0) close(e->quit);
    pthread_sigmask(SIG_SETMASK, &e->mask, NULL);
    mem_free(e);
    return NULL;
}

unsigned events_take(struct events *e)
{
    return atomic_exchange(&e->bits, 0);
}

void events_free(struct events *e)
{
    if (!e) return;
    uint64_t one = 1;
    if (write(e->quit, &one, sizeof one) == (ssize_t)sizeof one) pthread_join(e->thread, NULL);
    if (e->keys) tcsetattr(STDIN_FILENO, TCSANOW, &e->terminal);
    close(e->signals);
    close(e->quit);
    pthread_sigmask(SIG_SETMASK, &e->mask, NULL);
    mem_free(e);
}
