// SPDX-License-Identifier: Apache-2.0
/* Stands in for FreeRTOS's header of this name, in the variant of ESP-IDF. */
#ifndef STAND_IN_FREERTOS_H
#define STAND_IN_FREERTOS_H

#include <stdint.h>

typedef int BaseType_t;
typedef unsigned UBaseType_t;
typedef uint32_t TickType_t;
#define pdTRUE               1
#define pdPASS               1
#define portMAX_DELAY        0xffffffffu
#define configMAX_PRIORITIES 25

#endif
