// SPDX-License-Identifier: Apache-2.0
/* The sound of an ESP32-S3 with ESP-IDF 5.3 or later: an I2S microphone and an I2S amplifier on one controller, which
 * gives both one clock. IDF's driver owns DMA and interrupts, so a task of high priority on core 0 stands in for the
 * interrupts; the denoiser runs on core 1. audio_stream.h needs no more than that each function has one caller. */
#include "sound.h"

#include "driver/gpio.h"
#include "driver/i2s_std.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "sound_config.h"

#define RATE_HZ       16000u
#define PIN_BCLK      GPIO_NUM_4
#define PIN_WS        GPIO_NUM_5
#define PIN_DOUT      GPIO_NUM_6
#define PIN_DIN       GPIO_NUM_7
#define PIN_BUSY      GPIO_NUM_15
#define PIN_TROUBLE   GPIO_NUM_16
#define STACK_BYTES   8192u
#define MOVER_CORE    0
#define DENOISER_CORE 1
#define MOVER_URGENCY (configMAX_PRIORITIES - 2)
#define LONGEST_MS    1000u

int main(void);
void app_main(void);

static audio_stream_t *stream;
static i2s_chan_handle_t speaker, microphone;
static TaskHandle_t denoiser;

/* Frames of two slots of 32 bits, as the microphone sends its 24. */
static int32_t frames[SOUND_BLOCK][2];

static int16_t heard(int32_t slot) {
    const int32_t sample = slot >> (16u - SOUND_GAIN_BITS);
    return (int16_t)(sample > INT16_MAX ? INT16_MAX : sample < INT16_MIN ? INT16_MIN : sample);
}

/* A block in, a block out: each call waits for the driver's DMA, which has two buffers of a block in each direction. */
static void move_blocks(void *unused) {
    static int16_t samples[SOUND_BLOCK];
    size_t bytes;

    (void)unused;
    while (i2s_channel_read(microphone, frames, sizeof frames, &bytes, LONGEST_MS) == ESP_OK) {
        for (uint32_t i = 0; i < SOUND_BLOCK; i++) {
            samples[i] = heard(frames[i][0]);
        }
        audio_captured(stream, samples);
        audio_play(stream, samples, 0);
        for (uint32_t i = 0; i < SOUND_BLOCK; i++) {
            frames[i][0] = frames[i][1] = samples[i] * 65536;
        }
        if (i2s_channel_write(speaker, frames, sizeof frames, &bytes, LONGEST_MS) != ESP_OK) {
            break;
        }
        xTaskNotifyGive(denoiser);
    }
    sound_trouble();
    vTaskDelete(NULL);
}

static esp_err_t set_up_i2s(void) {
    i2s_chan_config_t channels = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_0, I2S_ROLE_MASTER);
    i2s_std_config_t format = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(RATE_HZ),
        .slot_cfg = I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_STEREO),
        .gpio_cfg = {.mclk = I2S_GPIO_UNUSED, .bclk = PIN_BCLK, .ws = PIN_WS, .dout = PIN_DOUT, .din = PIN_DIN},
    };
    channels.dma_desc_num = 2u;
    channels.dma_frame_num = SOUND_BLOCK;
    channels.auto_clear = true; /* what is not written in time is silence */

    esp_err_t status = i2s_new_channel(&channels, &speaker, &microphone);
    if (status == ESP_OK) {
        status = i2s_channel_init_std_mode(speaker, &format);
    }
    if (status == ESP_OK) {
        status = i2s_channel_init_std_mode(microphone, &format);
    }
    if (status == ESP_OK) {
        status = i2s_channel_enable(microphone);
    }
    return status == ESP_OK ? i2s_channel_enable(speaker) : status;
}

void sound_init(void) {
    gpio_set_direction(PIN_BUSY, GPIO_MODE_OUTPUT);
    gpio_set_direction(PIN_TROUBLE, GPIO_MODE_OUTPUT);
    denoiser = xTaskGetCurrentTaskHandle();
}

const char *sound_start(audio_stream_t *audio) {
    stream = audio;
    if (set_up_i2s() != ESP_OK) {
        return "sound: the I2S driver refuses its set-up";
    }
    if (xTaskCreatePinnedToCore(move_blocks, "sound", STACK_BYTES, NULL, MOVER_URGENCY, NULL, MOVER_CORE) != pdPASS) {
        return "sound: no memory for the task";
    }
    return NULL;
}

void sound_wait(void) { (void)ulTaskNotifyTake(pdTRUE, portMAX_DELAY); }

void sound_working(bool working) { gpio_set_level(PIN_BUSY, working ? 1u : 0u); }

void sound_trouble(void) { gpio_set_level(PIN_TROUBLE, 1u); }

static void denoise(void *unused) {
    (void)unused;
    (void)main(); /* that of examples/audio/main.c; it does not return */
}

void app_main(void) { xTaskCreatePinnedToCore(denoise, "denoiser", STACK_BYTES, NULL, 5, NULL, DENOISER_CORE); }
