// SPDX-License-Identifier: Apache-2.0
#include "sha256.h"

#include <string.h>

#define BLOCK 64u

/* The first 32 bits of the fractions of the cube roots of the first 64 primes, and of the square roots of 8. */
static const uint32_t round_constant[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
};
static const uint32_t start_value[8] = {
    0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u,
};

static uint32_t rotated(uint32_t value, unsigned bits) { return value >> bits | value << (32u - bits); }

static uint32_t big_endian(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void add_block(uint32_t hash[8], const uint8_t *block) {
    uint32_t word[16], v[8]; /* a to h */
    memcpy(v, hash, sizeof v);
    for (unsigned t = 0; t < 64u; t++) {
        uint32_t *w = &word[t % 16u];
        if (t < 16u) {
            *w = big_endian(block + 4u * t);
        } else {
            const uint32_t near = word[(t + 14u) % 16u], far = word[(t + 1u) % 16u];
            *w += (rotated(near, 17) ^ rotated(near, 19) ^ near >> 10) + word[(t + 9u) % 16u] +
                  (rotated(far, 7) ^ rotated(far, 18) ^ far >> 3);
        }
        const uint32_t one = v[7] + (rotated(v[4], 6) ^ rotated(v[4], 11) ^ rotated(v[4], 25)) +
                             ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constant[t] + *w;
        const uint32_t two = (rotated(v[0], 2) ^ rotated(v[0], 13) ^ rotated(v[0], 22)) +
                             ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, sizeof v - sizeof v[0]);
        v[4] += one;
        v[0] = one + two;
    }
    for (unsigned i = 0; i < 8u; i++) {
        hash[i] += v[i];
    }
}

void blsh_sha256(const void *data, size_t bytes, uint8_t digest[BLSH_SHA256_BYTES]) {
    const uint8_t *at = data;
    uint32_t hash[8];
    uint8_t last[BLOCK] = {0};
    size_t left = bytes;
    memcpy(hash, start_value, sizeof hash);
    for (; left >= BLOCK; left -= BLOCK, at += BLOCK) {
        add_block(hash, at);
    }
    memcpy(last, at, left);
    last[left] = 0x80u;
    if (left >= BLOCK - 8u) { /* no room for the length */
        add_block(hash, last);
        memset(last, 0, sizeof last);
    }
    last[BLOCK - 5u] = (uint8_t)(bytes >> 29); /* the length in bits, in two words: M0 has no shift of 64 bits */
    for (unsigned i = 0; i < 4u; i++) {
        last[BLOCK - 1u - i] = (uint8_t)((uint32_t)bytes << 3 >> (8u * i));
    }
    add_block(hash, last);
    for (unsigned i = 0; i < BLSH_SHA256_BYTES; i++) {
        digest[i] = (uint8_t)(hash[i / 4u] >> (24u - 8u * (i % 4u)));
    }
}
