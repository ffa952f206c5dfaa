/* Compiles template.h for every instruction set and precision, and chooses one of them at import. */
#include "core.h"
#include <sched.h>
#include <string.h>

#if !defined(__clang__) && (!defined(__GNUC__) || __GNUC__ < 12)
#error "pycharrnn's kernels use vector extensions: build them with GCC 12 or later or with Clang"
#endif

#define ALWAYS inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#define UNROLL _Pragma("GCC unroll 16")
#endif
static idx core_l1d = 32768; /* bytes of the first-level data cache */

#if defined(__x86_64__)
#define PAUSE __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE __asm__ volatile("yield")
#else
#define PAUSE (void)0
#endif

/* Subnormal numbers, read or made, count as zero from here on, in this thread; and what was before. A processor of
 * another kind computes with them as they are. */
#if defined(__SSE2__)
typedef unsigned flushing;
static ALWAYS flushing flush_subnormals(void) {
    const flushing before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(before | 0x8000 | 0x0040); /* made: FTZ; read: DAZ */
    return before;
}
static ALWAYS void restore_subnormals(flushing before) { __builtin_ia32_ldmxcsr(before); }
#elif defined(__aarch64__)
typedef uint64_t flushing;
static ALWAYS void restore_subnormals(flushing before) { __asm__ volatile("msr fpcr, %0" ::"r"(before) : "memory"); }
static ALWAYS flushing flush_subnormals(void) {
    flushing before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    restore_subnormals(before | 1 << 24); /* FZ */
    return before;
}
#else
typedef int flushing;
static ALWAYS flushing flush_subnormals(void) { return 0; }
static ALWAYS void restore_subnormals(flushing before) { (void)before; }
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* Targets are switched by pragma: one translation unit, no flags by file, nothing exported. */
#define STRING(x) _Pragma(#x)
#if defined(__clang__)
#define TARGET_BEGIN(features) STRING(clang attribute push(__attribute__((target(features))), apply_to = function))
#define TARGET_END STRING(clang attribute pop)
#else
#define TARGET_BEGIN(features) STRING(GCC push_options) STRING(GCC target(features))
#define TARGET_END STRING(GCC pop_options)
#endif

#if defined(__x86_64__)
#define SET baseline
#define VB 16
#define MR 6
#define NARROW 8
#include "precisions.h"

TARGET_BEGIN("avx2,fma,bmi,bmi2,lzcnt,f16c")
#define SET v3
#define VB 32
#define MR 6
#define NARROW 8
#include "precisions.h"
TARGET_END

#if defined(__clang__)
TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,lzcnt,f16c")
#else
TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,lzcnt,f16c,prefer-vector-width=512")
#endif
#define SET v4
#define VB 64
#define MR 13
#define NARROW 4
#include "precisions.h"

/* Once more for float32: what processors of Intel prefer. */
#define SET v4_copy
#define OF v4
#define VB 64
#define MR 13
#include "copies.h"
#define draw_v4_copy_f64 draw_v4_f64
#define logarithm_v4_copy_f64 logarithm_v4_f64
static const core_table *const tables_v4_copy[] = {&table_v4_copy_f32, &table_v4_f64, &table_v4_bf16};
_Static_assert(sizeof tables_v4_copy == sizeof tables_v4, "a table for each precision");
TARGET_END

#if defined(__linux__) /* the kernel lends tiles to whoever asks */
#include <sys/syscall.h>
#include <unistd.h>

#define TILES 1
TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,lzcnt,f16c,avx512bf16,amx-tile,amx-bf16")
#include "tiles.h"
TARGET_END
#endif

/* Twice: processors that split every 512-bit operation in two (Zen 4) gain from the thirty-two registers of v4 but are
 * better off with vectors of 256 bits, which leave less of a row's last vector empty. Of rows of doubles 512 bits leave
 * hardly more empty: float64 takes the kernels above. */
#define table_v4_256_f64 table_v4_f64
#define draw_v4_256_f64 draw_v4_f64
#define logarithm_v4_256_f64 logarithm_v4_f64
#define WITHOUT_FLOAT64
TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,lzcnt,f16c")
#define SET v4_256
#define VB 32
#define MR 13
#define NARROW 8
#include "precisions.h"
TARGET_END
#elif defined(__aarch64__)
#define SET neon
#define VB 16
#define MR 10
#define NARROW 8
#include "precisions.h"
#else
#define SET baseline
#define VB 16
#define MR 6
#define NARROW 8
#include "precisions.h"
#endif

#if defined(__x86_64__)
#include <cpuid.h>

#if defined(TILES)
/* A test may load a library that defines this: it carries out the instructions of tiles itself. */
extern const int pycharrnn_emulates_tiles __attribute__((weak, visibility("default")));

/* Whether there are tiles for bfloat16: the processor has the instructions and a palette (some hypervisors advertise
 * tiles and have none), the operating system saves them, and lends them to this process. */
static int tiles(void) {
    static int answer = -1;
    if (answer >= 0) return answer;
    unsigned a, b, c, d, enabled, high;
    answer = 0;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & 1u << 5)) return 0; /* avx512_bf16 */
    if (&pycharrnn_emulates_tiles) return answer = 1;
    const unsigned amx_bf16_tile = 1u << 22 | 1u << 24;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & amx_bf16_tile) != amx_bf16_tile) return 0;
    if (!__get_cpuid_count(0x1D, 0, &a, &b, &c, &d) || a < 1) return 0;
    __asm__("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0));
    if ((enabled >> 17 & 3) != 3) return 0;
    return answer = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* the data of tiles */) == 0;
}
#endif

/* What the processor and the operating system together allow: 0 baseline, 1 x86-64-v3, 2 x86-64-v4, 3 with tiles. */
static int level(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned fma_movbe_osxsave_avx_f16c = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29;
    if ((c & fma_movbe_osxsave_avx_f16c) != fma_movbe_osxsave_avx_f16c) return 0;
    unsigned enabled, high;
    __asm__("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0));
    if ((enabled & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned bmi_avx2_bmi2 = 1u << 3 | 1u << 5 | 1u << 8;
    if ((b & bmi_avx2_bmi2) != bmi_avx2_bmi2) return 0;
    const unsigned avx512_f_dq_cd_bw_vl = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    int v4 = (b & avx512_f_dq_cd_bw_vl) == avx512_f_dq_cd_bw_vl && (enabled & 0xE6) == 0xE6;
    if (!__get_cpuid(0x80000001u, &a, &b, &c, &d) || !(c & 1u << 5)) return 0; /* lzcnt */
#if defined(TILES)
    if (v4 && tiles()) return 3;
#endif
    return 1 + v4;
}

/* AMD's family 25 (Zen 4 among it) splits 512-bit operations. */
static int splits_512(void) {
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == 0x68747541 && __get_cpuid(1, &a, &b, &c, &d) &&
           (a >> 8 & 15) + (a >> 20 & 255) == 25;
}

static int is_intel(void) {
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == 0x756e6547;
}

static void measure_l1d(void) {
    const unsigned leaves[] = {4, 0x8000001Du}; /* Intel's, then AMD's: the same layout */
    for (int l = 0; l < 2; l++)
        for (unsigned i = 0, a, b, c, d; i < 8 && __get_cpuid_count(leaves[l], i, &a, &b, &c, &d) && (a & 31); i++)
            if ((a & 31) == 1 && (a >> 5 & 7) == 1) {
                core_l1d = (idx)((b >> 22) + 1) * ((b >> 12 & 1023) + 1) * ((b & 4095) + 1) * ((idx)c + 1);
                return;
            }
}
#endif

#define PRECISION(name, suffix, weights, products, activations, moments) \
    {#name, sizeof(weights), sizeof(products), sizeof(activations), sizeof(moments)},
static const core_precision precisions[] = {CORE_PRECISIONS(PRECISION)};
enum { N_PRECISIONS = sizeof precisions / sizeof *precisions };

/* The instruction sets; `level` is what the processor must have. */
#define INSTRUCTION_SET(set) .tables = tables_##set, .draw = draw_##set##_f64, .log = logarithm_##set##_f64
static const struct {
    const char *name;
    int level;
    const core_table *const *tables;
    idx (*draw)(idx K, const core_drawing *how, const core_context *context, double u, double *z);
    double (*log)(double x);
} sets[] = {
#if defined(TILES)
    {.name = "x86-64-v4-amx", .level = 3, INSTRUCTION_SET(v4_amx)},
#endif
#if defined(__x86_64__)
    {.name = "x86-64-v4-copy", .level = 2, INSTRUCTION_SET(v4_copy)},
    {.name = "x86-64-v4", .level = 2, INSTRUCTION_SET(v4)},
    {.name = "x86-64-v4-256", .level = 2, INSTRUCTION_SET(v4_256)},
    {.name = "x86-64-v3", .level = 1, INSTRUCTION_SET(v3)},
    {.name = "baseline", .level = 0, INSTRUCTION_SET(baseline)},
#elif defined(__aarch64__)
    {.name = "neon", .level = 0, INSTRUCTION_SET(neon)},
#else
    {.name = "baseline", .level = 0, INSTRUCTION_SET(baseline)},
#endif
};
enum { COUNT = sizeof sets / sizeof *sets };
static int chosen = COUNT - 1;

const char *core_name(int i) { return i >= 0 && i < COUNT ? sets[i].name : NULL; }

static int find(const char *name) {
    for (int i = 0; i < COUNT; i++)
        if (!strcmp(sets[i].name, name)) return i;
    return -1;
}

int core_supported(const char *name) {
    int i = find(name);
#if defined(__x86_64__)
    return i >= 0 && sets[i].level <= level();
#else
    return i >= 0;
#endif
}

int core_select(const char *name) {
    if (!core_supported(name)) return -1;
#if defined(__x86_64__)
    measure_l1d();
#endif
    chosen = find(name);
    return 0;
}

const char *core_best(void) {
    int i = 0;
    while (!core_supported(sets[i].name)) i++;
#if defined(__x86_64__)
    if (sets[i].level == 2) i += is_intel() ? 0 : splits_512() ? 2 : 1; /* copies, none, narrow vectors */
#endif
    return sets[i].name;
}

const char *core_selected(void) { return sets[chosen].name; }

/* Spins at first, for the others are at most microseconds away where each has a core of its own; then it yields. */
int core_meet(int32_t *meeting, int size) {
    const int32_t generation = __atomic_load_n(&meeting[1], __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&meeting[0], 1, __ATOMIC_ACQ_REL) == size) {
        __atomic_store_n(&meeting[0], 0, __ATOMIC_RELAXED);
        __atomic_store_n(&meeting[1], generation + 1, __ATOMIC_RELEASE);
        return 0;
    }
    for (int n = 0; __atomic_load_n(&meeting[1], __ATOMIC_ACQUIRE) == generation; n++) {
        if (__atomic_load_n(&meeting[2], __ATOMIC_ACQUIRE)) return -1;
        if (n < 256) PAUSE;
        else sched_yield();
    }
    return 0;
}

int core_hears(int32_t *meeting) {
    if (!__atomic_load_n(&meeting[3], __ATOMIC_RELAXED)) return 0;
    __atomic_store_n(&meeting[4], 1, __ATOMIC_RELEASE);
    return 1;
}

int core_heard(const int32_t *meeting) { return __atomic_load_n(&meeting[4], __ATOMIC_ACQUIRE); }

/* splitmix64 (Steele, Lea, Flood 2014) */
uint32_t core_key(uint64_t seed, uint64_t counter) {
    uint64_t z = seed + (counter + 1) * 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

double core_kept(double rate, double decay) {
    double by = rate * decay;
    __asm__("" : "+m"(by)); /* a processor with fused multiply-add would not round the product */
    return 1 - by;
}

idx core_draw(idx K, const core_drawing *how, const core_context *context, double u, double *z) {
    return sets[chosen].draw(K, how, context, u, z);
}

double core_log(double x) { return sets[chosen].log(x); }

const core_precision *core_precision_at(idx i) { return i >= 0 && i < N_PRECISIONS ? &precisions[i] : NULL; }

const core_table *core_table_at(idx i) { return core_precision_at(i) ? sets[chosen].tables[i] : NULL; }
