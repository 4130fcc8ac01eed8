// SPDX-License-Identifier: Apache-2.0
/* Stands in for ESP-IDF's header of this name. */
#ifndef STAND_IN_ESP_ERR_H
#define STAND_IN_ESP_ERR_H

typedef int esp_err_t;
#define ESP_OK 0

#endif
