// SPDX-License-Identifier: Apache-2.0
/* The firmware: serial port, server and model wired together. The same on every board and as a host process. */
#include <stdbool.h>

#include "blsh_model.h"
#include "hal.h"
#include "server.h"

#ifndef BLSH_BUILD_ID
#define BLSH_BUILD_ID 0u /* the build system gives a digest of what it compiled */
#endif

static void write_uart(void *context, const uint8_t *bytes, size_t count) {
    (void)context;
    hal_write(bytes, count);
}

static blsh_state_t state;
static blsh_server_t server;
#ifdef BLSH_SLOTS
static blsh_models_t models;
#endif
static const blsh_server_config_t config = {
    .write = write_uart,
#ifdef BLSH_SLOTS
    .model = &models.model,
    .models = &models,
#else
    .model = &blsh_model,
#endif
    .state = &state,
    .build_id = BLSH_BUILD_ID,
};

/* With an encoder of its own: the fault may have struck in the middle of a frame, which the first 0x00 ends. */
void app_fault(const uint32_t stacked[8], uint32_t cfsr, uint32_t bfar, bool watchdog) {
    blsh_encoder_t encoder = {.write = write_uart};
    blsh_msg_fault_t fault = {
        .cfsr = cfsr, .bfar = bfar, .reason = watchdog ? BLSH_REASON_WATCHDOG : BLSH_REASON_FAULT};
    for (size_t i = 0; i < 8u; i++) {
        fault.registers[i] = stacked[i];
    }
    blsh_frame_send(&encoder, BLSH_MSG_FAULT, 0, &fault, sizeof fault);
    hal_reset();
}

int main(void) {
    hal_init();
#ifdef BLSH_SLOTS
    blsh_models_start(&models, &blsh_model, &state);
#endif
    blsh_server_init(&server, &config);
    blsh_server_log(&server, "blsh-mcu started");
    if (hal_clock_trouble() != NULL) {
        blsh_server_log(&server, hal_clock_trouble());
    }
    for (;;) {
        uint8_t bytes[64];
        const size_t count = hal_read(bytes, sizeof bytes);
        if (count == 0u) {
            hal_watchdog_rest();
            hal_idle();
        }
        blsh_server_receive(&server, bytes, count);
    }
}
