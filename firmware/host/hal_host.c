// SPDX-License-Identifier: Apache-2.0
/* The HAL on a POSIX host: the very same application as a native process, its serial port a TCP connection.
 *
 *     BLSH_HOST_PORT=5555 ./blsh-host          # listens on 127.0.0.1; one client at a time, the next may follow
 *     BLSH_HOST_LISTEN_FD=3 ./blsh-host        # listens on an inherited socket: no race for a port number
 *     BLSH_HOST_FD=3 ./blsh-host               # one inherited connection; ends with it
 *
 * The process dies with its parent. BLSH_HOST_PARENT, the parent's process id, closes the gap in which the parent
 * dies before that is arranged. BLSH_HOST_RESET_CAUSE is what hal_reset() tells the process that it starts.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "hal.h"

#define NO_FD (-1)

static int listener = NO_FD;
static int line = NO_FD;
static uint32_t reset_cause = HAL_RESET_POWER_ON;

static void stop(const char *why) __attribute__((noreturn));
static void stop(const char *why) {
    fprintf(stderr, "blsh-host: %s: %s\n", why, strerror(errno));
    exit(EXIT_FAILURE);
}

/* A whole number from the environment, or `otherwise`. */
static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    if (text == NULL) {
        return otherwise;
    }
    char *end;
    const long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 0 || value > INT32_MAX) {
        errno = EINVAL;
        stop(name);
    }
    return (int)value;
}

static void keep(const char *name, int value) {
    char text[16];
    (void)snprintf(text, sizeof text, "%d", value);
    (void)setenv(name, text, 1);
}

static void die_with_parent(void) {
    const int parent = setting("BLSH_HOST_PARENT", getppid());
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        stop("prctl");
    }
    if (getppid() != parent) {
        exit(EXIT_FAILURE);
    }
}

static int listen_on(int port) {
    const int opened = socket(AF_INET, SOCK_STREAM, 0);
    const int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (opened < 0 || setsockopt(opened, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(opened, (const struct sockaddr *)&address, sizeof address) != 0 || listen(opened, 1) != 0) {
        stop("cannot listen on BLSH_HOST_PORT");
    }
    return opened;
}

void hal_init(void) {
    die_with_parent();
    reset_cause = (uint32_t)setting("BLSH_HOST_RESET_CAUSE", HAL_RESET_POWER_ON);
    line = setting("BLSH_HOST_FD", NO_FD);
    listener = setting("BLSH_HOST_LISTEN_FD", NO_FD);
    if (line == NO_FD && listener == NO_FD) {
        const int port = setting("BLSH_HOST_PORT", 0);
        if (port < 1 || port > UINT16_MAX) {
            errno = EINVAL;
            stop("give BLSH_HOST_PORT (1 to 65535), BLSH_HOST_LISTEN_FD or BLSH_HOST_FD");
        }
        listener = listen_on(port);
    }
}

/* --- Serial port ---------------------------------------------------------------------------------------- */

/* The client is gone: wait for the next one, or end where there can be none. */
static void hang_up(void) {
    if (listener == NO_FD) {
        exit(EXIT_SUCCESS);
    }
    close(line);
    line = NO_FD;
}

static void wait_for(int fd, short events) {
    struct pollfd wanted = {.fd = fd, .events = events};
    while (poll(&wanted, 1, -1) < 0) {
        if (errno != EINTR) {
            stop("poll");
        }
    }
}

static void answer_call(void) {
    const int yes = 1;
    wait_for(listener, POLLIN);
    line = accept(listener, NULL, NULL);
    if (line != NO_FD) { /* else the caller gave up meanwhile */
        (void)setsockopt(line, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
}

size_t hal_read(uint8_t *dst, size_t max) {
    if (line == NO_FD) {
        return 0;
    }
    const ssize_t count = recv(line, dst, max, MSG_DONTWAIT);
    if (count > 0) {
        return (size_t)count;
    }
    if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        hang_up();
    }
    return 0;
}

/* Without a client, what is sent is lost, as on a wire. */
void hal_write(const uint8_t *src, size_t n) {
    while (n > 0 && line != NO_FD) {
        const ssize_t count = send(line, src, n, MSG_NOSIGNAL);
        if (count >= 0) {
            src += count;
            n -= (size_t)count;
        } else if (errno == EAGAIN) {
            wait_for(line, POLLOUT);
        } else if (errno != EINTR) {
            hang_up();
        }
    }
}

void hal_idle(void) {
    while (line == NO_FD) {
        answer_call();
    }
    wait_for(line, POLLIN);
}

/* The kernel's buffers take far more: a number like a board's, so that senders behave as with one. */
uint32_t hal_receive_ring_bytes(void) { return 4096; }

uint32_t hal_overruns(void) { return 0; }

/* --- Time ----------------------------------------------------------------------------------------------- */

uint32_t hal_ticks(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

uint32_t hal_tick_hz(void) { return 1000000000u; }

/* --- The part ------------------------------------------------------------------------------------------- */

uint32_t hal_core_hz(void) { return 0; /* it varies */ }

const char *hal_clock_trouble(void) { return NULL; }

const char *hal_core_name(void) { return "host"; }

const char *hal_board_name(void) { return "host"; }

uint32_t hal_irq_disable(void) { return 0; }

void hal_irq_restore(uint32_t saved) { (void)saved; }

uint32_t hal_reset_cause(void) { return reset_cause; }

/* The same process from its first instruction, on the same connection. */
void hal_reset(void) {
    char path[] = "/proc/self/exe";
    char *const arguments[] = {path, NULL};
    keep("BLSH_HOST_RESET_CAUSE", HAL_RESET_SOFTWARE);
    if (listener != NO_FD) {
        keep("BLSH_HOST_LISTEN_FD", listener);
    }
    if (line != NO_FD) {
        keep("BLSH_HOST_FD", line);
    } else {
        (void)unsetenv("BLSH_HOST_FD");
    }
    (void)execv(path, arguments);
    stop("cannot restart");
}

uint32_t hal_stack_bytes_used(void) { return 0; }

bool hal_stack_overflowed(void) { return false; /* the kernel guards it */ }

/* Nothing to reset: who waits for this process can end it. */
void hal_watchdog_watch(void) {}

void hal_watchdog_rest(void) {}
