/* Tiles for processors that have none: a library that is loaded before all others (LD_PRELOAD) and carries out the
 * instructions of Intel's AMX when the processor refuses them. Written after their description, and not after the
 * kernels:
 *
 *     Intel Corporation. Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: LDTILECFG, TILELOADD,
 *     TILESTORED, TILEZERO, TILERELEASE, TDPBF16PS.
 *
 * What the manual forbids ends the process: tiles of another shape than their product needs, rows or bytes beyond a
 * tile's, tiles that nobody has configured.
 */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <xmmintrin.h>

__attribute__((visibility("default"))) const int pycharrnn_emulates_tiles = 1;

typedef struct {
    uint16_t bytes;
    uint8_t rows;
    union {
        uint8_t bytes[16][64];
        float floats[16][16];
        uint16_t halves[16][32];
    } data;
} tile;

/* The tiles of a thread, and whether they have been configured. */
static __thread __attribute__((tls_model("initial-exec"))) tile tiles[8];
static __thread __attribute__((tls_model("initial-exec"))) int configured;
static long products; /* carried out so far, by all threads */

static void refuse(const char *why) {
    static const char what[] = "tiles: ";
    (void)!write(2, what, sizeof what - 1);
    (void)!write(2, why, strlen(why));
    (void)!write(2, "\n", 1);
    _exit(99);
}

static tile *configured_tile(int number) {
    if (!configured) refuse("no configuration");
    if (number > 7 || !tiles[number].rows) refuse("a tile without rows");
    return &tiles[number];
}

static void configure(const uint8_t *memory) {
    if (memory[0] != 1) refuse("an unknown palette");
    for (int i = 1; i < 16; i++)
        if (memory[i]) refuse("a reserved byte");
    memset(tiles, 0, sizeof tiles);
    for (int i = 0; i < 8; i++) {
        memcpy(&tiles[i].bytes, memory + 16 + 2 * i, 2);
        tiles[i].rows = memory[48 + i];
        if (tiles[i].bytes > 64 || tiles[i].rows > 16 || !tiles[i].bytes != !tiles[i].rows) refuse("a wrong shape");
    }
    configured = 1;
}

static float widened(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* For each row and column: two chains over the pairs, one of the lower and one of the upper numbers, whose sum is added.
 * To the nearest even, subnormal numbers as zeros, whatever the thread's own control register says. */
static void multiply(tile *c, const tile *a, const tile *b) {
    if (a->bytes != 4 * b->rows || c->rows != a->rows || c->bytes != b->bytes) refuse("shapes that do not fit");
    _mm_setcsr(0x1f80 | 0x8040);
    for (int m = 0; m < a->rows; m++)
        for (int n = 0; n < b->bytes / 4; n++) {
            volatile float even = 0, odd = 0, sum = c->data.floats[m][n];
            for (int k = 0; k < b->rows; k++) {
                even = fmaf(widened(a->data.halves[m][2 * k]), widened(b->data.halves[k][2 * n]), even);
                odd = fmaf(widened(a->data.halves[m][2 * k + 1]), widened(b->data.halves[k][2 * n + 1]), odd);
            }
            even = even + odd;
            sum = sum + even;
            c->data.floats[m][n] = sum;
        }
    __atomic_fetch_add(&products, 1, __ATOMIC_RELAXED);
}

static uint64_t value(const greg_t *registers, int number) {
    static const int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)registers[order[number]];
}

/* An instruction with a VEX prefix of three bytes, C4, in the map 0F38. */
static void carry_out(int number, siginfo_t *info, void *context) {
    (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *p = (const uint8_t *)registers[REG_RIP];
    if (p[0] != 0xC4 || (p[1] & 31) != 2 || p[2] & 0x84) { /* not ours: W and L are zero in all of these */
        signal(number, SIG_DFL);
        return;
    }
    const int prefix = p[2] & 3, opcode = p[3], modrm = p[4], third = ~p[2] >> 3 & 15; /* prefix: 0, 66, F3, F2 */
    const int reg = (modrm >> 3 & 7) | (p[1] & 0x80 ? 0 : 8);
    int rm = modrm & 7, length = 5, index = 4, scale = 0;
    uint64_t address = 0;
    if (modrm >> 6 < 3) {
        if (rm == 4) {
            const int sib = p[length++];
            index = (sib >> 3 & 7) | (p[1] & 0x40 ? 0 : 8);
            scale = sib >> 6;
            rm = sib & 7;
        }
        if (rm == 5 && modrm >> 6 == 0) refuse("an address that is not decoded");
        address = value(registers, rm | (p[1] & 0x20 ? 0 : 8));
        int32_t far;
        if (modrm >> 6 == 1) address += (uint64_t)(int64_t)(int8_t)p[length];
        if (modrm >> 6 == 2) {
            memcpy(&far, p + length, sizeof far);
            address += (uint64_t)(int64_t)far;
        }
        length += modrm >> 6 == 1 ? 1 : modrm >> 6 == 2 ? 4 : 0;
    }
    const uint64_t stride = index == 4 ? 0 : value(registers, index) << scale;
    if (opcode == 0x49 && prefix == 0 && modrm == 0xC0) {
        configured = 0;
    } else if (opcode == 0x49 && prefix == 0 && modrm >> 6 < 3 && reg == 0) {
        configure((const uint8_t *)address);
    } else if (opcode == 0x49 && prefix == 3 && modrm >> 6 == 3 && rm == 0) {
        memset(configured_tile(reg)->data.bytes, 0, 1024);
    } else if (opcode == 0x4B && (prefix == 2 || prefix == 3) && modrm >> 6 < 3) {
        tile *t = configured_tile(reg);
        for (int row = 0; row < t->rows; row++) {
            uint8_t *memory = (uint8_t *)(address + (uint64_t)row * stride);
            if (prefix == 2) memcpy(memory, t->data.bytes[row], t->bytes);
            else memcpy(memset(t->data.bytes[row], 0, 64), memory, t->bytes);
        }
    } else if (opcode == 0x5C && prefix == 2 && modrm >> 6 == 3) {
        multiply(configured_tile(reg), configured_tile(rm), configured_tile(third));
    } else {
        refuse("an instruction that is not known");
    }
    registers[REG_RIP] += length;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_sigaction = carry_out, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGILL, &action, NULL);
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("TILES_COUNT");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (file) {
        fprintf(file, "%ld\n", products);
        fclose(file);
    }
}
